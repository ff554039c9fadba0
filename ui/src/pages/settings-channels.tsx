// Who is told: the channels of recoup.toml to look at and test, others to add, change, test and remove.
import { useState } from 'react';
import { useDeclare, useTryChannel, useUndeclare, type Declared } from '../api/places';
import { useChannels, type Document } from '../api/plans';
import { Button } from '../parts/button';
import { Confirm, Dialog, Proof, wantsProof } from '../parts/dialog';
import { Menu } from '../parts/menu';
import { FilePill, Pill } from '../parts/pill';
import { Answer, Empty, ErrorCard, Note, titleOf } from '../parts/state';
import { toast } from '../parts/toast';
import { t } from '../words';
import { list } from '../words/format';
import { CHANNELS, kindOf } from './declared-fields';
import { DeclaredForm } from './declared-form';

export function Channels() {
  const channels = useChannels();
  const [edited, edit] = useState<Declared | 'new'>();
  return (
    <>
      <Answer of={channels} card>
        {(all) =>
          all.length === 0 ? (
            <section className="card">
              <Empty action={<Button look="primary" icon="plus" onClick={() => edit('new')}>{t('channels.add')}</Button>}>{t('channels.empty')}</Empty>
            </section>
          ) : (
            <>
              <div className="buttons">
                <Button look="primary" icon="plus" onClick={() => edit('new')}>
                  {t('channels.add')}
                </Button>
              </div>
              {all.map((channel) => (
                <Channel key={channel.name} channel={channel} onEdit={() => edit(channel)} />
              ))}
            </>
          )
        }
      </Answer>
      {edited && (
        <Dialog open title={edited === 'new' ? t('channels.add') : t('editor.title', { plan: edited.name })} onClose={() => edit(undefined)}>
          <Form {...(edited !== 'new' && { declared: edited })} onDone={() => edit(undefined)} />
        </Dialog>
      )}
    </>
  );
}

function Form({ declared, onDone }: { declared?: Declared; onDone: () => void }) {
  const test = useTryChannel();
  const save = useDeclare('channels');
  return (
    <DeclaredForm
      kinds={CHANNELS}
      kindLabel="channels.kind"
      {...(declared && { declared })}
      typed={false}
      tryLabel="channels.test"
      save={save}
      test={test}
      outcome={(tried) => <Outcome answer={tried} />}
      onSaved={onDone}
    />
  );
}

function Outcome({ answer }: { answer: { ok: boolean; text?: string | null; hint?: string | null } }) {
  return (
    <Note look={answer.ok ? 'good' : 'bad'} live>
      <strong>{answer.ok ? t('channels.sent') : t('channels.not_sent')}</strong>
      {answer.text && <p>{answer.text}</p>}
      {answer.hint && <p>{answer.hint}</p>}
    </Note>
  );
}

function Channel({ channel, onEdit }: { channel: Declared; onEdit: () => void }) {
  const test = useTryChannel();
  const remove = useUndeclare('channels');
  const [asks, ask] = useState<'' | 'remove' | 'proof'>('');
  const document = channel.document as Document;
  const kind = CHANNELS.find((one) => one.kind === kindOf(CHANNELS, document));
  const removed = () =>
    remove.mutate(channel.name, {
      onSuccess: () => toast(t('channels.removed', { name: channel.name })),
      onError: (error) => {
        ask(wantsProof(error) ? 'proof' : '');
        if (!wantsProof(error)) toast(titleOf(error), { icon: 'warning' });
      },
    });
  const own = channel.origin === 'catalog';
  return (
    <section className="card" aria-labelledby={`channel-${channel.name}`}>
      <div className="head">
        <div>
          <h2 id={`channel-${channel.name}`}>{channel.name}</h2>
          <span className="pills">
            {kind && (
              <Pill look="plain" icon="info">
                {t(kind.label)}
              </Pill>
            )}
            {!own && <FilePill />}
          </span>
        </div>
        <div className="buttons">
          <Button busy={test.isPending} onClick={() => test.mutate({ name: channel.name, document: {} })}>
            {t('channels.test')}
            <span className="hidden">: {channel.name}</span>
          </Button>
          {own && (
            <Menu
              label={t('word.actions', { name: channel.name })}
              look="normal"
              items={[
                { label: t('editor.edit'), icon: 'settings', act: onEdit },
                { label: t('destinations.remove'), icon: 'trash', bad: true, disabled: channel.used_by.length > 0, act: () => ask('remove') },
              ]}
            />
          )}
        </div>
      </div>
      {channel.used_by.length > 0 && (
        <p>
          {t('destinations.used_by')} {list(channel.used_by)}
        </p>
      )}
      {test.error && <ErrorCard error={test.error} />}
      {test.data && <Outcome answer={test.data} />}
      <Confirm
        open={asks === 'remove'}
        title={t('destinations.remove.title', { name: channel.name })}
        text={t('channels.remove.text')}
        submit={t('channels.remove.submit')}
        busy={remove.isPending}
        onClose={() => ask('')}
        onConfirm={removed}
      />
      <Proof open={asks === 'proof'} onClose={() => ask('')} onProven={removed} />
    </section>
  );
}

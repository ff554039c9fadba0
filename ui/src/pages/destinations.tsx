// Where copies go: each destination with its kind, place, what lies there, how it fills, whether it shares a disk with the
// data, and a test of it.
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import type { Schemas } from '../api/client';
import { useAdopt, useAllDeclared, useCopyMissing, useGrowth, useTryDestination, useUndeclare, type Declared } from '../api/places';
import { useDestinations, type Document } from '../api/plans';
import { useCards, useMay } from '../api/queries';
import { Button, ButtonLink } from '../parts/button';
import { Proof, wantsProof } from '../parts/dialog';
import { Icon } from '../parts/icon';
import { Menu } from '../parts/menu';
import { FilePill, Pill } from '../parts/pill';
import { Answer, Empty, ErrorCard, Note, titleOf } from '../parts/state';
import { Text } from '../parts/text';
import { Time } from '../parts/time';
import { toast } from '../parts/toast';
import { TypedDialog } from '../parts/typed';
import { Page } from '../shell/page';
import { t } from '../words';
import { list, size } from '../words/format';
import { DESTINATIONS, kindOf } from './declared-fields';
import { Growth } from './growth';
import { pathOf } from './plan-card';

type Standing = Schemas['StandingView'];

export const destinationPath = (name: string) => `/destinations/${encodeURIComponent(name)}`;

export function Destinations() {
  const names = useDestinations();
  const declared = useAllDeclared(names.data?.map((one) => one.name) ?? []);
  const growth = useGrowth(365);
  const cards = useCards();
  const may = useMay();
  const places = cards.data?.plans.flatMap((plan) => plan.destinations) ?? [];
  const away = places.some((place) => !place.same_disk);
  return (
    <Page
      title={t('page.destinations')}
      answer={cards.data && names.data && (places.length === 0 || away ? t('destinations.answer', { n: names.data.length }) : t('destinations.answer.here'))}
      actions={
        may.admin && (
          <ButtonLink to="/destinations/new" icon="plus" look="primary">
            {t('destinations.add')}
          </ButtonLink>
        )
      }
    >
      <Answer of={names} lines={3} card>
        {(all) =>
          all.length === 0 ? (
            <Empty>{t('destinations.empty')}</Empty>
          ) : (
            <div className="stack">
              {all.map(({ name, plans }) => (
                <Place
                  key={name}
                  name={name}
                  declared={declared.get(name)}
                  stands={plans}
                  filled={growth.data?.items.find((one) => one.destination === name)}
                  same={places.some((place) => place.name === name && place.same_disk)}
                />
              ))}
            </div>
          )
        }
      </Answer>
      {growth.error && <ErrorCard error={growth.error} retry={() => void growth.refetch()} />}
    </Page>
  );
}

type PlaceProps = { name: string; declared: Declared | undefined; stands: Standing[]; filled: Schemas['FilledView'] | undefined; same: boolean };

function Place({ name, declared, stands, filled, same }: PlaceProps) {
  const test = useTryDestination();
  const adopt = useAdopt();
  const remove = useUndeclare('destinations');
  const may = useMay();
  const [, go] = useLocation();
  const [asks, ask] = useState<'' | 'remove' | 'proof'>('');
  const document = (declared?.document ?? {}) as Document;
  const kind = DESTINATIONS.find((one) => one.kind === kindOf(DESTINATIONS, document));
  const failed = (error: Error) => toast(titleOf(error), { icon: 'warning' });
  const removed = () =>
    remove.mutate(name, {
      onSuccess: () => {
        ask('');
        toast(t('destinations.removed', { name }));
      },
      onError: (error) => {
        ask(wantsProof(error) ? 'proof' : '');
        if (!wantsProof(error)) failed(error);
      },
    });
  const own = declared?.origin === 'catalog';
  return (
    <section className="card" aria-labelledby={`place-${name}`}>
      <div className="head">
        <div>
          <h2 id={`place-${name}`}>{name}</h2>
          <span className="pills">
            {kind && Object.keys(document).length > 0 && (
              <Pill look="plain" icon="drive">
                {t(kind.label)}
              </Pill>
            )}
            {same && (
              <Pill look="warning" icon="warning">
                {t('plan.same_disk')}
              </Pill>
            )}
            {declared?.origin === 'file' && <FilePill />}
          </span>
        </div>
        <div className="buttons">
          {may.change && (
            <Button icon="check" busy={test.isPending} onClick={() => test.mutate({ name })}>
              {t('destinations.test')}
              <span className="hidden">: {name}</span>
            </Button>
          )}
          {may.admin && (
            <Menu
              label={t('word.actions', { name })}
              look="normal"
              items={[
                ...(own || kind?.kind === 'drive' ? [{ label: t('editor.edit'), icon: 'settings' as const, to: destinationPath(name) }] : []),
                {
                  label: t('destinations.adopt'),
                  icon: 'search' as const,
                  act: () => adopt.mutate(name, { onSuccess: (found) => toast(t('destinations.adopted', { n: found.backups })), onError: failed }),
                },
                ...(own ? [{ label: t('destinations.remove'), icon: 'trash' as const, bad: true, disabled: declared.used_by.length > 0, act: () => ask('remove') }] : []),
              ]}
            />
          )}
        </div>
      </div>
      {Object.keys(document).length > 0 && <p className="mono">{where(document)}</p>}
      {same && <p className="small quiet">{t('destinations.same_disk')}</p>}
      {declared && (
        <p>
          {declared.used_by.length === 0
            ? t('destinations.unused')
            : declared.used_by.map((plan, index) => (
                <span key={plan}>
                  {index === 0 ? `${t('destinations.used_by')} ` : ', '}
                  <Link to={pathOf(plan)}>{plan}</Link>
                </span>
              ))}
        </p>
      )}
      <Lacks name={name} stands={stands.filter((stand) => stand.missing.length > 0)} />
      {test.error && <ErrorCard error={test.error} />}
      {test.data && <Steps answer={test.data} />}
      {filled && <Growth filled={filled} />}
      <TypedDialog
        open={asks === 'remove'}
        title={t('destinations.remove.title', { name })}
        name={name}
        submit={t('destinations.remove.submit')}
        cancel={t('word.cancel')}
        busy={remove.isPending}
        onCancel={() => ask('')}
        onConfirm={removed}
      >
        <p>{t('destinations.remove.text')}</p>
      </TypedDialog>
      <Proof open={asks === 'proof'} onClose={() => ask('')} onProven={removed} />
      {kind?.kind === 'drive' && may.admin && !own && (
        <div className="buttons">
          <Button onClick={() => go(destinationPath(name))}>{t('drive.title')}</Button>
        </div>
      )}
    </section>
  );
}

/** What the plans miss here, and a button for who does not want to wait. */
function Lacks({ name, stands }: { name: string; stands: Standing[] }) {
  const copy = useCopyMissing();
  const may = useMay();
  const [, go] = useLocation();
  if (stands.length === 0) return null;
  return (
    <Note look="warning">
      {stands.map((stand) => (
        <div key={stand.plan} className="stack tight">
          <p>
            <Text k="destinations.missing" values={{ n: stand.missing.length }} parts={{ plan: <Link to={pathOf(stand.plan)}>{stand.plan}</Link> }} />{' '}
            {stand.next_try && <Text k="destinations.next_try" parts={{ when: <Time at={stand.next_try} /> }} />}
          </p>
          {stand.error && <p className="small">{t('destinations.last_error', { text: stand.error.text })}</p>}
          {may.change && (
            <div className="buttons">
              <Button
                icon="play"
                busy={copy.isPending && copy.variables.plan === stand.plan}
                onClick={() => copy.mutate({ name, plan: stand.plan }, { onSuccess: ({ run }) => go(`/runs/${run}`) })}
              >
                {t('destinations.copy_now')}
                <span className="hidden">: {stand.plan}</span>
              </Button>
            </div>
          )}
        </div>
      ))}
      {copy.error && <ErrorCard error={copy.error} />}
    </Note>
  );
}

/** The place in one line. */
function where(document: Document): string {
  const { path, bucket, prefix, endpoint, user, host, url, folder } = document as Record<string, string | undefined>;
  if (url) return url;
  if (bucket) return list([endpoint, prefix ? `${bucket}/${prefix}` : bucket].filter((part) => part !== undefined));
  if (host) return `${user ? `${user}@` : ''}${host}:${path ?? ''}`;
  return folder ?? path ?? '';
}

const STEPS = ['open', 'write', 'read', 'list', 'delete', 'space'] as const;

/** How a test went, step by step. */
export function Steps({ answer }: { answer: Schemas['TestView'] }) {
  return (
    <Note look={answer.ok ? 'good' : 'bad'} live>
      <strong>{t(answer.ok ? 'destinations.tested' : 'destinations.failed')}</strong>
      <ol className="checks">
        {answer.steps.map((step) => {
          const known = STEPS.find((one) => one === step.name);
          const bytes = step.name === 'space' ? /^(\d+) bytes are free$/.exec(step.text)?.[1] : undefined;
          return (
            <li key={step.name}>
              <Icon name={step.ok ? 'check' : 'cross'} />
              <span>
                {known ? t(`destinations.step.${known}`) : step.name}: {bytes ? t('growth.free', { size: size(Number(bytes)) }) : step.text}
              </span>
            </li>
          );
        })}
      </ol>
    </Note>
  );
}

// From a preview to the restore: what comes back, changes and is lost; the checks; what makes it safe; and the question,
// answered by typing the plan's name. For a backup and for an uploaded file alike.
import { useEffect, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { Problem } from '../api/client';
import { rememberStart, useRestore, type Preview } from '../api/restores';
import { Button } from '../parts/button';
import { Copyable } from '../parts/copy';
import { Proof, wantsProof } from '../parts/dialog';
import { Check } from '../parts/field';
import { Icon } from '../parts/icon';
import { ErrorCard, Note } from '../parts/state';
import { TypedForm } from '../parts/typed';
import { t } from '../words';
import { size } from '../words/format';
import { DifferenceView } from './difference';

export const STEPS = ['what', 'diff', 'safe', 'confirm'] as const;

/** Where one is; the steps after the preview stand below each other. */
export function StepList({ at }: { at: 'what' | 'diff' }) {
  return (
    <ol className="steps">
      {STEPS.map((step, index) => (
        <li key={step} aria-current={step === at ? 'step' : undefined}>
          <span className="count">{index + 1}</span>
          {t(`restore.step.${step}`)}
        </li>
      ))}
    </ol>
  );
}

type Props = {
  plan: string;
  preview: Preview;
  /** Where a new preview is made when the data changed after the yes. */
  again: string;
  /** Makes a new preview in place when this one is too old. */
  onStale: () => void;
  stale: boolean;
  onBack: () => void;
  back: string;
  /** The same without the page. */
  command?: string;
};

export function RestoreConfirm({ plan, preview, again, onStale, stale, onBack, back, command }: Props) {
  const restore = useRestore();
  const [, go] = useLocation();
  const [read, setRead] = useState(false);
  const [unread, setUnread] = useState(false);
  const [proof, setProof] = useState(false);
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => head.current?.focus(), [preview.preview]);

  const remarks = preview.warnings.length > 0 || preview.refused != null;
  const bytes = preview.parts.reduce((sum, part) => sum + part.bytes, 0);
  const start = () => {
    setUnread(remarks && !read);
    if (remarks && !read) return;
    restore.mutate(
      { preview: preview.preview, force: preview.refused != null },
      {
        onSuccess: ({ run }) => {
          rememberStart({ run, to: again });
          go(`/runs/${run}`);
        },
        onError: (error) => {
          if (wantsProof(error)) setProof(true);
          else if (error instanceof Problem && (error.code === 'preview_missing' || error.code === 'preview_stale')) onStale();
        },
      },
    );
  };
  const failure = restore.error && !wantsProof(restore.error) ? restore.error : undefined;
  return (
    <>
      {stale && (
        <Note look="warning" live>
          {t('restore.stale')}
        </Note>
      )}
      <section className="card">
        <h2 ref={head} tabIndex={-1}>
          {t('restore.step.diff')}
        </h2>
        <DifferenceView difference={preview.differences} mode="restore" />
        <h3>{t('restore.checks')}</h3>
        <ul className="checks">
          <Passed>{t('restore.check.read', { size: size(bytes), parts: t('restore.check.parts', { n: preview.parts.length }) })}</Passed>
          {preview.parts.map((part) => (
            <Passed key={part.name}>{t(part.exists ? 'restore.check.exists' : 'restore.check.new', { name: part.name })}</Passed>
          ))}
          {!preview.refused && <Passed>{t('restore.check.made_here')}</Passed>}
        </ul>
        {preview.refused && (
          <Note look="bad">
            <strong>{t('restore.refused', { why: preview.refused.title })}</strong>
            {preview.refused.detail && <p>{preview.refused.detail}</p>}
            {preview.refused.hint && <p>{preview.refused.hint}</p>}
          </Note>
        )}
        {preview.warnings.map((warning) => (
          <Note key={warning.text} look="warning">
            <p>{warning.text}</p>
          </Note>
        ))}
        {remarks && (
          <>
            <Check
              label={t(preview.refused ? 'restore.force' : 'restore.warned')}
              checked={read}
              aria-invalid={unread || undefined}
              aria-describedby={unread ? 'unread' : undefined}
              onChange={(event) => {
                setRead(event.target.checked);
                setUnread(false);
              }}
            />
            {unread && (
              <Note look="bad" live>
                <p id="unread">{t('restore.warned.wrong')}</p>
              </Note>
            )}
          </>
        )}
        <div className="buttons">
          <Button icon="back" onClick={onBack}>
            {back}
          </Button>
        </div>
      </section>
      <section className="card good">
        <h2>{t('restore.step.safe')}</h2>
        <p>{t('restore.safety', { size: size(bytes) })}</p>
        <p>
          {t('restore.safety.rollback')} {t('restore.safety.close')}
        </p>
      </section>
      <section className="card bad">
        <h2>{t('restore.step.confirm')}</h2>
        <TypedForm name={plan} submit={t('restore.submit')} cancel={t('restore.cancel')} busy={restore.isPending} onCancel={() => go('/backups')} onConfirm={start}>
          <p>
            <strong>{preview.question}</strong>
          </p>
        </TypedForm>
        {failure && <ErrorCard error={failure} />}
        {command && (
          <details>
            <summary>{t('word.show_command')}</summary>
            <Copyable text={command} />
          </details>
        )}
      </section>
      <Proof open={proof} onClose={() => setProof(false)} onProven={start} />
    </>
  );
}

function Passed({ children }: { children: string }) {
  return (
    <li>
      <Icon name="check" />
      <span>{children}</span>
    </li>
  );
}

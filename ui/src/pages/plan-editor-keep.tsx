// What a plan keeps, with what that would do to the backups there are: which stay and by which rule, which go, what that
// frees, and how many there will be (D2). The server decides; this draws its answer while somebody types.
import { useState } from 'react';
import type { Schemas } from '../api/client';
import { Select, TextField } from '../parts/field';
import { Pill } from '../parts/pill';
import { ErrorCard, Note } from '../parts/state';
import { Table } from '../parts/table';
import { Time } from '../parts/time';
import { t } from '../words';
import { size } from '../words/format';
import { reason } from '../words/reasons';
import { NUMBERS, PRESETS, type Draft } from './plan-draft';
import type { EditProps } from './plan-editor';

type Series = Schemas['DraftSeries'];
type Props = EditProps & { answer: Schemas['DraftView'] | undefined; error: Error | null; isNew: boolean };

export function Keep({ draft, wrong, change, answer, error, isNew }: Props) {
  const numbers = (
    <div className="numbers">
      {NUMBERS.map((key) => (
        <TextField
          key={key}
          label={t(`editor.keep.${key}`)}
          type="number"
          inputMode="numeric"
          min={0}
          value={draft.numbers[key] ?? ''}
          wrong={wrong[`numbers.${key}`]}
          onChange={(event) => change({ numbers: { ...draft.numbers, [key]: event.target.value } })}
        />
      ))}
    </div>
  );
  return (
    <section className="card" aria-labelledby="keep">
      <h2 id="keep">{t('editor.keep')}</h2>
      <Select label={t('editor.preset')} value={draft.preset} onChange={(event) => change({ preset: event.target.value as Draft['preset'], numbers: event.target.value === 'own' ? draft.numbers : {} })}>
        {[...(Object.keys(PRESETS) as (keyof typeof PRESETS)[]), 'own' as const].map((preset) => (
          <option key={preset} value={preset}>
            {t(`editor.preset.${preset}`)}
          </option>
        ))}
      </Select>
      {draft.preset === 'own' && numbers}
      {draft.preset !== 'own' && draft.preset !== 'all' && (
        <details className="fold" open={Object.keys(wrong).some((key) => key.startsWith('numbers.'))}>
          <summary>
            <span>{t('editor.numbers')}</span>
          </summary>
          {numbers}
        </details>
      )}
      <h3>{t('editor.preview')}</h3>
      <div aria-live="polite">
        {isNew ? <p className="quiet">{t('editor.preview.new')}</p> : error ? <ErrorCard error={error} /> : answer && <Preview answer={answer} />}
      </div>
    </section>
  );
}

function Preview({ answer }: { answer: Schemas['DraftView'] }) {
  const [at, setAt] = useState(0);
  const series = answer.destinations[at] ?? answer.destinations[0];
  if (!series || series.total === 0) return <p className="quiet">{t('editor.preview.none')}</p>;
  return (
    <div className="stack">
      {answer.destinations.length > 1 && (
        <Select label={t('backup.where')} value={at} onChange={(event) => setAt(Number(event.target.value))}>
          {answer.destinations.map((one, index) => (
            <option key={one.destination} value={index}>
              {one.destination}
            </option>
          ))}
        </Select>
      )}
      <Outcome series={series} />
    </div>
  );
}

function Outcome({ series }: { series: Series }) {
  const [open, setOpen] = useState(false);
  const goes = series.delete > 0 ? t('editor.preview.goes', { n: series.delete, size: size(series.freed_bytes) }) : t('editor.preview.nothing_goes');
  return (
    <>
      <p>
        <strong>
          {t('editor.preview.stays', { n: series.keep })} {goes}
        </strong>{' '}
        {t('editor.preview.later', { n: series.in_90_days })}
      </p>
      {series.paused && <Note look="warning">{t('editor.preview.paused', { why: series.paused })}</Note>}
      {/* The picture of the list below: one mark a backup, the oldest first. */}
      <div className="marks" aria-hidden="true">
        {series.backups.toReversed().map((backup) => (
          <span key={backup.id} className={backup.keep ? 'stay' : 'go'} title={`${backup.created_at.slice(0, 10)}: ${backup.reasons.map(reason).join(', ')}`} />
        ))}
      </div>
      <details className="fold" onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span>{t('editor.preview.each')}</span>
        </summary>
        <div className="scrolls" tabIndex={0} role="region" aria-label={t('editor.preview.each')}>
          {open && (
            <Table
              caption={t('editor.preview.each')}
              rows={series.backups}
              id={(backup) => backup.id}
              columns={[
                { name: t('backup.made'), cell: (backup) => (backup.keep ? <Time at={backup.created_at} exact /> : <s><Time at={backup.created_at} exact /></s>) },
                {
                  name: t('editor.preview.what'),
                  cell: (backup) =>
                    backup.keep ? (
                      <Pill look="good" icon="check">
                        {t('editor.preview.stay')}
                      </Pill>
                    ) : (
                      <Pill look="bad" icon="trash">
                        {t('editor.preview.go')}
                      </Pill>
                    ),
                },
                { name: t('editor.preview.why'), cell: (backup) => backup.reasons.map(reason).join(', ') },
                { name: t('plan.size'), cell: (backup) => size(backup.bytes), end: true },
              ]}
            />
          )}
        </div>
      </details>
    </>
  );
}

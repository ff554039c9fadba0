// When a plan runs. The next three runs come from the server, never from the browser's clock.
import { useMemo } from 'react';
import type { Schemas } from '../api/client';
import { Problem } from '../api/client';
import { Check, Select, TextField } from '../parts/field';
import { t } from '../words';
import { soon } from '../words/format';
import { language } from '../words/language';
import { EVERY, WEEKDAYS, type Draft } from './plan-draft';
import type { EditProps } from './plan-editor';

type Props = EditProps & { next: Schemas['ScheduleView'] | undefined; error: Error | null };

export function Schedule({ draft, wrong, change, next, error }: Props) {
  const zones = useMemo(() => ['UTC', ...Intl.supportedValuesOf('timeZone')], []);
  // What the server says of a schedule that is being typed belongs to the field that is typed in.
  const said = error instanceof Problem && error.status === 422 ? (error.hint ? `${error.message} – ${error.hint}` : error.message) : undefined;
  const at = draft.every === 'cron' ? 'cron' : error instanceof Problem && error.code === 'bad_time' ? 'at' : 'zone';
  const wrongOf = (field: string) => wrong[field] ?? (said && at === field ? said : undefined);
  return (
    <section className="card" aria-labelledby="when">
      <h2 id="when">{t('editor.when')}</h2>
      <Check label={t('editor.enabled')} role="switch" checked={draft.enabled} onChange={(event) => change({ enabled: event.target.checked })} />
      {draft.enabled && (
        <>
          <div className="filters top">
            <Select label={t('editor.every')} value={draft.every} onChange={(event) => change({ every: event.target.value as Draft['every'] })}>
              {EVERY.map((every) => (
                <option key={every} value={every}>
                  {t(`editor.every.${every === 'rolling-weekly' ? 'rolling_weekly' : every === 'rolling-monthly' ? 'rolling_monthly' : every}`)}
                </option>
              ))}
            </Select>
            {draft.every === 'cron' ? (
              <TextField
                label={t('editor.cron')}
                help={t('editor.cron.help')}
                className="mono"
                placeholder="30 2 * * sun"
                autoComplete="off"
                spellCheck={false}
                value={draft.cron}
                wrong={draft.cron === '' && !wrong.cron ? undefined : wrongOf('cron')}
                onChange={(event) => change({ cron: event.target.value })}
              />
            ) : (
              <TextField label={t('editor.at')} type="time" value={draft.at} wrong={wrongOf('at')} onChange={(event) => change({ at: event.target.value })} />
            )}
            {draft.every === 'weekly' && (
              <Select label={t('editor.weekday')} value={draft.weekday} wrong={wrong.weekday} onChange={(event) => change({ weekday: event.target.value })}>
                {WEEKDAYS.map((day, index) => (
                  <option key={day} value={day}>
                    {/* The first of June 2026 is a Monday. */}
                    {new Intl.DateTimeFormat(language(), { weekday: 'long', timeZone: 'UTC' }).format(Date.UTC(2026, 5, 1 + index))}
                  </option>
                ))}
              </Select>
            )}
            {draft.every === 'monthly' && (
              <Select label={t('editor.day')} value={draft.day} wrong={wrong.day} onChange={(event) => change({ day: event.target.value })}>
                {Array.from({ length: 31 }, (_, index) => (
                  <option key={index} value={index + 1}>
                    {index + 1}
                  </option>
                ))}
                <option value="last">{t('editor.day.last')}</option>
              </Select>
            )}
            <TextField
              label={t('editor.zone')}
              list="zones"
              autoComplete="off"
              spellCheck={false}
              value={draft.zone}
              wrong={wrongOf('zone')}
              onChange={(event) => change({ zone: event.target.value })}
            />
            <datalist id="zones">
              {zones.map((zone) => (
                <option key={zone} value={zone} />
              ))}
            </datalist>
          </div>
          <div aria-live="polite">
            {next && !said && (
              <>
                <p>{next.words}</p>
                <h3>{t('editor.next')}</h3>
                <ul className="next">
                  {next.next.map((instant) => (
                    <li key={instant}>
                      <time dateTime={instant}>{soon(instant, draft.zone)}</time>
                    </li>
                  ))}
                </ul>
              </>
            )}
          </div>
        </>
      )}
    </section>
  );
}

// The daemon itself: version, machine, paths, what it checks by itself, the chain of the audit, and a text for whoever helps
// to find out what is wrong. What is downloaded is what was shown.
import { useEffect, useState } from 'react';
import { useCheckAudit, useDiagnostics, useScheduler, useSystem, type Check } from '../api/settings';
import { Button } from '../parts/button';
import { Icon } from '../parts/icon';
import { Pill } from '../parts/pill';
import { Answer, ErrorCard, Note } from '../parts/state';
import { Time } from '../parts/time';
import { t } from '../words';
import { duration, list, size } from '../words/format';

export function System() {
  const system = useSystem();
  return (
    <>
      <Answer of={system} card lines={8}>
        {(known) => (
          <>
            <section className="card">
              <h2>{t('settings.about')}</h2>
              <dl className="facts">
                <dt>{t('settings.version')}</dt>
                <dd>
                  {known.version} ({known.build}, {known.platform})
                </dd>
                <dt>SQLite</dt>
                <dd>{known.sqlite}</dd>
                <dt>{t('system.uptime')}</dt>
                <dd>
                  {duration(known.uptime_seconds * 1000)} (<Time at={known.started_at} exact />)
                </dd>
                {known.host && (
                  <>
                    <dt>{t('system.host')}</dt>
                    <dd>{known.host}</dd>
                  </>
                )}
                <dt>{t('settings.data')}</dt>
                <dd className="mono">{known.paths.data}</dd>
                <dt>{t('system.config')}</dt>
                <dd className="mono">{known.paths.config ?? t('word.none')}</dd>
                <dt>{t('system.catalog')}</dt>
                <dd>
                  <span className="mono">{known.paths.catalog ?? t('system.catalog.server')}</span>
                  {known.catalog_bytes != null && ` (${size(known.catalog_bytes)})`}
                </dd>
                {known.free_bytes != null && known.disk_bytes != null && (
                  <>
                    <dt>{t('system.disk')}</dt>
                    <dd>{t('system.free', { free: size(known.free_bytes), total: size(known.disk_bytes) })}</dd>
                  </>
                )}
                <Scheduler />
              </dl>
              <p className="small quiet">{t('settings.no_telemetry')}</p>
            </section>
            <section className="card">
              <h2>{t('settings.checks')}</h2>
              <ul className="stack tight">
                {known.checks.map((check) => (
                  <Passed key={check.name} good={check.ok} text={said(check)} />
                ))}
              </ul>
            </section>
          </>
        )}
      </Answer>
      <Audit />
      <Diagnostics />
    </>
  );
}

function Scheduler() {
  const { data } = useScheduler();
  if (!data) return null;
  const works = data.running && !data.paused;
  return (
    <>
      <dt>{t('settings.scheduler')}</dt>
      <dd>
        <Pill look={works ? 'good' : 'bad'} icon={works ? 'check' : data.paused ? 'pause' : 'cross'}>
          {t(works ? 'settings.scheduler.on' : data.paused ? 'system.paused' : 'settings.scheduler.off')}
        </Pill>
      </dd>
      <dt>{t('settings.last_check')}</dt>
      <dd>
        {data.last_check ? <Time at={data.last_check} /> : t('word.never')} ({t('settings.every', { time: duration(data.check_interval_seconds * 1000) })})
      </dd>
      <dt>{t('settings.next_due')}</dt>
      <dd>{data.next_due ? <Time at={data.next_due} /> : t('word.none')}</dd>
      <dt>{t('page.runs')}</dt>
      <dd>{t('settings.work', { working: data.working, queued: data.queued })}</dd>
    </>
  );
}

/** What a check found, in a sentence. */
function said({ name, ok, count, wrong }: Check): string {
  const names = list(wrong);
  if (name === 'plans') return ok ? t('settings.check.fresh', { n: count }) : `${t('settings.check.overdue', { n: wrong.length })} (${names})`;
  if (name === 'scheduler') return t(ok ? 'settings.check.scheduler' : 'settings.check.scheduler.bad');
  if (name === 'destinations') return ok ? t('settings.check.destinations') : t('settings.check.destinations.bad', { names });
  if (name === 'disk') return t(ok ? 'settings.check.disk' : 'settings.check.disk.bad');
  if (name === 'clock') return t(ok ? 'settings.check.clock' : 'settings.check.clock.bad');
  return t(ok ? 'settings.check.catalog' : 'settings.check.catalog.bad');
}

function Passed({ good, text }: { good: boolean; text: string }) {
  return (
    <li className="row">
      <Pill look={good ? 'good' : 'bad'} icon={good ? 'check' : 'cross'}>
        {t(good ? 'ladder.passed' : 'ladder.failed')}
      </Pill>
      <span>{text}</span>
    </li>
  );
}

function Audit() {
  const check = useCheckAudit();
  return (
    <section className="card">
      <h2>{t('settings.audit')}</h2>
      <p>{t('settings.audit.text')}</p>
      {check.data && (
        <Note look={check.data.ok ? 'good' : 'bad'} live>
          {check.data.ok ? t('settings.audit.good', { n: check.data.events }) : check.data.problems.map((problem) => <p key={problem.text}>{problem.text}</p>)}
        </Note>
      )}
      {check.error && <ErrorCard error={check.error} />}
      <div className="buttons">
        <Button icon="check" busy={check.isPending} onClick={() => check.mutate()}>
          {t('settings.audit.check')}
        </Button>
      </div>
    </section>
  );
}

/** First it is shown, then exactly that can be kept. */
function Diagnostics() {
  const made = useDiagnostics();
  const file = useFile(made.data);
  return (
    <section className="card">
      <h2>{t('system.diagnostics')}</h2>
      <p>{t('system.diagnostics.text')}</p>
      {made.error && <ErrorCard error={made.error} />}
      {made.data && (
        <pre className="log" tabIndex={0} role="region" aria-label={t('system.diagnostics')}>
          {made.data}
        </pre>
      )}
      <div className="buttons">
        <Button icon="eye" busy={made.isPending} onClick={() => made.mutate()}>
          {t(made.data ? 'system.diagnostics.again' : 'system.diagnostics.show')}
        </Button>
        {file && (
          <a className="button primary" href={file} download="recoup-diagnostics.txt">
            <Icon name="download" />
            {t('system.diagnostics.download')}
          </a>
        )}
      </div>
    </section>
  );
}

/** An address within this page under which the text can be kept. */
function useFile(text: string | undefined): string | undefined {
  const [url, set] = useState<string>();
  useEffect(() => {
    if (text === undefined) return;
    const made = URL.createObjectURL(new Blob([text], { type: 'text/plain;charset=utf-8' }));
    set(made);
    return () => URL.revokeObjectURL(made);
  }, [text]);
  return url;
}

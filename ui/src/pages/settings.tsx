// How the daemon is set, behind tabs that are addresses: general, who is told, users, tokens, the system. What comes from
// recoup.toml says so and is changed there.
import type { FormEvent } from 'react';
import { Link } from 'wouter';
import { useChangeSettings, useCheckAudit, useHealth, useScheduler, useSettings, type Settings } from '../api/settings';
import { useMay } from '../api/queries';
import { Button } from '../parts/button';
import { TextField } from '../parts/field';
import { Pill } from '../parts/pill';
import { Answer, ErrorCard, Note } from '../parts/state';
import { Time } from '../parts/time';
import { toast } from '../parts/toast';
import { Page } from '../shell/page';
import { t } from '../words';
import { duration, number, size } from '../words/format';
import { NotFound } from './not-found';
import { Channels } from './settings-channels';
import { Integrations } from './settings-integrations';
import { Tokens, Users } from './settings-people';

const TABS = ['general', 'notifications', 'users', 'tokens', 'integrations', 'system'] as const;
type Tab = (typeof TABS)[number];

export function SettingsPage({ tab }: { tab: string }) {
  const may = useMay();
  const known = TABS.find((one) => one === tab);
  if (!known) return <NotFound />;
  const shown = TABS.filter((one) => may.admin || one === 'general' || one === 'tokens' || one === 'integrations');
  return (
    <Page title={known === 'general' ? t('page.settings') : `${t('page.settings')}: ${t(`settings.tab.${known}`)}`}>
      <nav className="tabs" aria-label={t('page.settings')}>
        {shown.map((one) => (
          <Link key={one} to={one === 'general' ? '/settings' : `/settings/${one}`} aria-current={one === known ? 'page' : undefined}>
            {t(`settings.tab.${one}`)}
          </Link>
        ))}
      </nav>
      {shown.includes(known) ? <Content tab={known} /> : <Note>{t('error.denied')}</Note>}
    </Page>
  );
}

function Content({ tab }: { tab: Tab }) {
  if (tab === 'notifications') return <Channels />;
  if (tab === 'users') return <Users />;
  if (tab === 'tokens') return <Tokens />;
  if (tab === 'integrations') return <Integrations />;
  return tab === 'system' ? <System /> : <General />;
}

function General() {
  const settings = useSettings();
  return (
    <Answer of={settings} card>
      {(known) => (
        <>
          <Numbers key={`${known.check_interval_seconds.value} ${known.outbound_timeout_seconds.value}`} known={known} />
          <section className="card">
            <h2>{t('settings.fixed')}</h2>
            <dl className="facts">
              <dt>{t('plan.settings.zone')}</dt>
              <dd>{known.zone}</dd>
              <dt>{t('settings.public_url')}</dt>
              <dd>{known.public_url ?? t('word.none')}</dd>
              <dt>{t('settings.concurrency')}</dt>
              <dd>{number(known.concurrency)}</dd>
              <dt>{t('settings.upload_limit')}</dt>
              <dd>{size(known.upload_limit_bytes)}</dd>
            </dl>
            <p className="small quiet">{t('settings.fixed.help')}</p>
          </section>
          <section className="card">
            <h2>{t('settings.yours')}</h2>
            <p>
              <Link to="/profile">{t('page.profile')}</Link>
            </p>
          </section>
        </>
      )}
    </Answer>
  );
}

const KEYS = ['check_interval_seconds', 'outbound_timeout_seconds'] as const;

function Numbers({ known }: { known: Settings }) {
  const change = useChangeSettings();
  const may = useMay();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (change.isPending) return;
    const given = new FormData(event.currentTarget);
    const wanted = KEYS.filter((key) => known[key].origin !== 'file').map((key) => [key, given.get(key) ? Number(given.get(key)) : null] as const);
    change.mutate(Object.fromEntries(wanted), { onSuccess: () => toast(t('editor.saved')) });
  };
  return (
    <form className="card form" noValidate onSubmit={submit}>
      <h2>{t('settings.tab.general')}</h2>
      {KEYS.map((key) => {
        const file = known[key].origin === 'file';
        return (
          <TextField
            key={key}
            name={key}
            label={t(`settings.${key}`)}
            help={`${t(`settings.${key}.help`)} ${t(`settings.origin.${known[key].origin}`)}`}
            type="number"
            min={1}
            defaultValue={known[key].value}
            readOnly={file || !may.admin}
          />
        );
      })}
      {change.error && <ErrorCard error={change.error} />}
      {may.admin && (
        <div className="buttons">
          <Button type="submit" look="primary" busy={change.isPending}>
            {t('editor.save')}
          </Button>
        </div>
      )}
    </form>
  );
}

function System() {
  const settings = useSettings();
  const scheduler = useScheduler();
  const check = useCheckAudit();
  const health = useHealth();
  return (
    <>
      <section className="card">
        <h2>{t('settings.about')}</h2>
        <dl className="facts">
          <dt>{t('settings.version')}</dt>
          <dd>{settings.data?.version ?? '…'}</dd>
          <dt>SQLite</dt>
          <dd>{settings.data?.sqlite ?? '…'}</dd>
          {settings.data?.data && (
            <>
              <dt>{t('settings.data')}</dt>
              <dd className="mono">{settings.data.data}</dd>
            </>
          )}
          {scheduler.data && (
            <>
              <dt>{t('settings.scheduler')}</dt>
              <dd>
                <Pill look={scheduler.data.running ? 'good' : 'bad'} icon={scheduler.data.running ? 'check' : 'cross'}>
                  {t(scheduler.data.running ? 'settings.scheduler.on' : 'settings.scheduler.off')}
                </Pill>
              </dd>
              <dt>{t('settings.last_check')}</dt>
              <dd>
                {scheduler.data.last_check ? <Time at={scheduler.data.last_check} /> : t('word.never')} ({t('settings.every', { time: duration(scheduler.data.check_interval_seconds * 1000) })})
              </dd>
              <dt>{t('settings.next_due')}</dt>
              <dd>{scheduler.data.next_due ? <Time at={scheduler.data.next_due} /> : t('word.none')}</dd>
              <dt>{t('page.runs')}</dt>
              <dd>{t('settings.work', { working: scheduler.data.working, queued: scheduler.data.queued })}</dd>
            </>
          )}
        </dl>
        <p className="small quiet">{t('settings.no_telemetry')}</p>
      </section>
      <section className="card">
        <h2>{t('settings.checks')}</h2>
        <Answer of={health}>
          {(known) => (
            <ul className="stack tight">
              <Passed good text={t('settings.check.catalog')} />
              <Passed good={known.scheduler !== false} text={t(known.scheduler !== false ? 'settings.check.scheduler' : 'settings.scheduler.off')} />
              <Passed good={known.overdue === 0} text={known.overdue === 0 ? t('settings.check.fresh', { n: known.plans }) : t('settings.check.overdue', { n: known.overdue })} />
            </ul>
          )}
        </Answer>
      </section>
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
    </>
  );
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

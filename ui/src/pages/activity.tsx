// What was done and by whom, newest first, from the audit: by kind and period, with everything as a file to take along.
import { Link } from 'wouter';
import { BASE } from '../api/client';
import { useAudit, useUsers, type AuditEvent } from '../api/settings';
import { Button } from '../parts/button';
import { Select } from '../parts/field';
import { Icon } from '../parts/icon';
import { Pill } from '../parts/pill';
import { Answer, Empty, ErrorCard, Note } from '../parts/state';
import { useMay } from '../api/queries';
import { Table } from '../parts/table';
import { Time } from '../parts/time';
import { PeriodSelect, useFilters } from '../shell/filters';
import { Page } from '../shell/page';
import { t } from '../words';
import { backupPath } from './backup-path';
import { pathOf } from './plan-card';

// How the names of events begin.
const KINDS = { runs: 'backup_scheduler.', backups: 'backup.', restores: 'restore.', plans: 'plan.', people: 'user.', tokens: 'token.', places: 'destination.', channels: 'channel.' } as const;
type Kind = keyof typeof KINDS;
/** Events that have words of their own; others show the name they have in the audit. */
const EVENTS = [
  'user.created',
  'user.changed',
  'user.login',
  'user.logout',
  'user.login_failed',
  'user.denied',
  'backup.deleted',
  'backup.put_back',
  'backup.verified',
  'backup.uploaded',
  'backup.protected',
  'backup.unprotected',
  'backup.downloaded',
  'backup.read',
  'restore.previewed',
  'restore.started',
  'restore.completed',
  'restore.undone',
  'restore.failed',
  'plan.created',
  'plan.changed',
  'plan.deleted',
  'plan.removed',
  'backup_scheduler.start',
  'backup_scheduler.stop',
  'backup_scheduler.backup_completed',
  'backup_scheduler.backup_error',
  'backup_scheduler.settings_error',
  'backup_scheduler.settings_updated',
  'backup_scheduler.settings_created',
  'token.created',
  'token.removed',
  'destination.tested',
  'destination.connected',
  'destination.disconnected',
  'channel.tested',
  'scheduler.paused',
  'scheduler.resumed',
  'scheduler.clock_anomaly',
  'run.cancelled',
  'catalog.migrated',
] as const;

export function Activity() {
  const may = useMay();
  if (!may.admin) {
    return (
      <Page title={t('page.activity')}>
        <Note>{t('activity.admins')}</Note>
      </Page>
    );
  }
  return <Known />;
}

function Known() {
  const filters = useFilters();
  const { set, since } = filters;
  const kind = filters.one('kind', Object.keys(KINDS) as Kind[]);
  const user = filters.of('user');
  const users = useUsers();
  const audit = useAudit({ ...(kind && { event: KINDS[kind] }), ...(user && { user }), ...(since && { since }) });
  const rows = audit.data?.pages.flatMap((page) => page.items);
  const people = new Map(users.data?.map((one) => [one.id, one.name]));
  return (
    <Page
      title={t('page.activity')}
      answer={t('activity.answer')}
      actions={(['csv', 'jsonl'] as const).map((format) => (
        <a key={format} className="button" href={`${BASE}api/v1/audit/export?format=${format}`} download>
          <Icon name="download" />
          {t(`activity.export.${format}`)}
        </a>
      ))}
    >
      <div className="filters">
        <Select label={t('runs.kind')} value={kind ?? ''} onChange={(event) => set('kind', event.target.value)}>
          <option value="">{t('runs.any_kind')}</option>
          {(Object.keys(KINDS) as Kind[]).map((one) => (
            <option key={one} value={one}>
              {t(`activity.kind.${one}`)}
            </option>
          ))}
        </Select>
        <PeriodSelect label={t('activity.period')} filters={filters} />
        <Select label={t('activity.user')} value={user} onChange={(event) => set('user', event.target.value)}>
          <option value="">{t('activity.any_user')}</option>
          {[...people].map(([id, name]) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </Select>
      </div>
      <section className="card">
        <Answer of={{ data: rows, error: audit.error, refetch: audit.refetch }} lines={8}>
          {(all) =>
            all.length === 0 ? (
              <Empty action={filters.any && <Button onClick={filters.clear}>{t('word.clear_filters')}</Button>}>
                {t(filters.any ? 'activity.no_match' : 'activity.empty')}
              </Empty>
            ) : (
              <>
                <Table
                  caption={t('page.activity')}
                  rows={all}
                  id={(event) => String(event.seq)}
                  columns={[
                    { name: t('activity.what'), cell: (event) => <What event={event} /> },
                    { name: t('runs.when'), cell: (event) => <Time at={event.at} exact /> },
                    { name: t('activity.user'), cell: (event) => (event.user ? (people.get(event.user) ?? event.user) : t('activity.daemon')) },
                    { name: t('activity.on'), cell: (event) => <On event={event} /> },
                    {
                      name: t('run.result'),
                      cell: (event) => (
                        <Pill look={event.success ? 'good' : 'bad'} icon={event.success ? 'check' : 'cross'}>
                          {t(event.success ? 'activity.done' : 'activity.failed')}
                        </Pill>
                      ),
                    },
                  ]}
                />
                {audit.isFetchNextPageError && <ErrorCard error={audit.error} />}
                {audit.hasNextPage && (
                  <div className="buttons">
                    <Button busy={audit.isFetchingNextPage} onClick={() => void audit.fetchNextPage()}>
                      {t('word.show_older')}
                    </Button>
                  </div>
                )}
              </>
            )
          }
        </Answer>
      </section>
    </Page>
  );
}

/** The name of the event with everything that was written down about it. */
function What({ event }: { event: AuditEvent }) {
  const known = EVENTS.find((one) => one === event.event);
  return (
    <details>
      <summary>{known ? t(`activity.event.${known}`) : event.event}</summary>
      <p className="mono small">{event.event}</p>
      <pre className="log" tabIndex={0} aria-label={event.event}>
        {JSON.stringify(event.details, null, 2)}
      </pre>
    </details>
  );
}

/** What it was about, as a link where there is a page for it. */
function On({ event }: { event: AuditEvent }) {
  const details = (event.details ?? {}) as { plan?: unknown; run?: unknown };
  const plan = typeof details.plan === 'string' ? details.plan : undefined;
  const short = event.resource_id.length > 14 ? `${event.resource_id.slice(0, 4)}…${event.resource_id.slice(-6)}` : event.resource_id;
  const thing =
    event.resource_type === 'backup' ? (
      <Link to={backupPath(event.resource_id)}>{short}</Link>
    ) : event.resource_type === 'restore' || event.resource_type === 'run' ? (
      <Link to={`/runs/${event.resource_id}`}>{short}</Link>
    ) : (
      <bdi>{short}</bdi>
    );
  return (
    <>
      {plan && (
        <>
          <Link to={pathOf(plan)}>{plan}</Link>
          {' · '}
        </>
      )}
      {event.resource_type} <span className="mono">{thing}</span>
    </>
  );
}

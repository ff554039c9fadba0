// "Am I safe, and what happens next?": the recovery point in one sentence, what is wrong with which plan, the plans, the
// latest backups and runs. Everything in one answer of the server, which has computed all of it.
import { Link } from 'wouter';
import { useMay, useOverview, type Overview as Data } from '../api/queries';
import { ButtonLink } from '../parts/button';
import { Copyable } from '../parts/copy';
import { BackupPills, PlanPill, RunPill } from '../parts/pill';
import { Remark } from '../parts/remark';
import { Answer, Empty } from '../parts/state';
import { Time } from '../parts/time';
import { Page } from '../shell/page';
import { PauseMenu } from '../shell/pause';
import { t } from '../words';
import { size } from '../words/format';
import { BackUpSeveral } from './back-up-several';
import { backupPath } from './backup-path';
import { pathOf, PlanCard } from './plan-card';
import { Recovery } from './recovery';
import { failureOf } from './run-failure';

export function Overview() {
  const overview = useOverview();
  const { data } = overview;
  const own = data?.plans.filter((plan) => !plan.built_in) ?? [];
  return (
    <Page
      title={t('page.overview')}
      actions={
        data &&
        own.length > 0 && (
          <>
            <BackUpSeveral total={total(data)} />
            <PauseMenu text={t('plan.pause')} />
          </>
        )
      }
    >
      <Answer of={overview} card lines={4}>
        {(known) => (own.length === 0 ? <Nothing /> : <Filled data={known} />)}
      </Answer>
    </Page>
  );
}

/** How many plans there are; Recoup's own is not counted. */
const total = (data: Data) => Object.values(data.counts).reduce((sum, count) => sum + count, 0);

function Nothing() {
  const may = useMay();
  return (
    <section className="card">
      <Empty
        action={
          may.change && (
            <ButtonLink to="/welcome" icon="shield" look="primary">
              {t('welcome.begin')}
            </ButtonLink>
          )
        }
      >
        {t('overview.no_plans')}
      </Empty>
      <p>{t('overview.no_plans.hint')}</p>
      <Copyable text="recoup demo --serve" />
    </section>
  );
}

function Filled({ data }: { data: Data }) {
  const may = useMay();
  const trouble = data.plans.filter((plan) => plan.state === 'failing' || plan.state === 'at_risk');
  const own = data.plans.filter((plan) => !plan.built_in);
  const all = total(data);
  const good = data.counts.protected;
  return (
    <>
      <Recovery recovery={data.recovery} several={own.filter((plan) => plan.off_disk_at).length > 1} />
      {data.channels === 0 && <Remark text="banner.no_channel" action={may.admin && <ButtonLink to="/settings/notifications">{t('channels.add')}</ButtonLink>} />}
      <section className="stack" aria-labelledby="plans">
        <div className="spread">
          <h2 id="plans">{good === all ? t('status.all_good', { n: all }) : t('status.some', { n: all, good })}</h2>
          {all > own.length && <Link to="/plans">{t('page.plans')}</Link>}
        </div>
        {trouble.length > 0 && (
          <ul className="stack tight">
            {trouble.map((plan) => (
              <Trouble key={plan.name} plan={plan} runs={data.runs} />
            ))}
          </ul>
        )}
        <div className="grid">
          {data.plans.map((plan) => (
            <PlanCard key={plan.name} plan={plan} />
          ))}
        </div>
      </section>
      <div className="grid">
        <LatestBackups backups={data.backups} />
        <RecentRuns runs={data.runs} />
      </div>
    </>
  );
}

/** What is wrong with a plan, from its last run where that says more, and the way to it. */
function Trouble({ plan, runs }: { plan: Data['plans'][number]; runs: Data['runs'] }) {
  const run = runs.find((one) => one.plan === plan.name && one.kind === 'backup' && one.state === 'done');
  const failure = run && failureOf(run);
  return (
    <li className="row">
      <PlanPill state={plan.state} />
      <span>
        <Link to={pathOf(plan.name)}>{plan.name}</Link>: {failure?.message ?? why(plan)}
      </span>
      {failure && <Link to={`/runs/${run.id}`}>{t('plan.open_run')}</Link>}
    </li>
  );
}

/** Why a plan is in its state, in a sentence. */
export function why(plan: Data['plans'][number]): string {
  if (plan.problem) return t('plan.damaged', { problem: plan.problem });
  if (plan.state !== 'at_risk') return t(`plan.why.${plan.state}`);
  return t(plan.last_outcome === 'warnings' && !plan.overdue ? 'plan.why.warnings' : 'plan.why.overdue');
}

function LatestBackups({ backups }: { backups: Data['backups'] }) {
  return (
    <section className="card" aria-labelledby="latest">
      <h2 id="latest">{t('overview.latest')}</h2>
      {backups.length === 0 && <Empty>{t('overview.no_backups')}</Empty>}
      <ul className="list">
        {backups.map((backup) => (
          <li key={backup.id} className="spread">
            <span>
              <Link to={backupPath(backup.id)}>
                {backup.plan}, <Time at={backup.created_at} />
              </Link>
              <span className="quiet"> · {size(backup.bytes)}</span>
            </span>
            <BackupPills backup={backup} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function RecentRuns({ runs }: { runs: Data['runs'] }) {
  return (
    <section className="card" aria-labelledby="recent">
      <header>
        <h2 id="recent">{t('overview.recent')}</h2>
        {runs.length > 0 && <Link to="/runs">{t('overview.all_runs')}</Link>}
      </header>
      {runs.length === 0 && <Empty action={<ButtonLink to="/plans">{t('page.plans')}</ButtonLink>}>{t('overview.no_runs')}</Empty>}
      <ul className="list">
        {runs.map((run) => (
          <li key={run.id} className="spread">
            <span>
              <Link to={`/runs/${run.id}`}>{t(`run.title.${run.kind}`, { plan: run.plan })}</Link>{' '}
              <span className="quiet">
                <Time at={run.finished_at ?? run.started_at ?? run.queued_at} />
              </span>
            </span>
            <RunPill run={run} />
          </li>
        ))}
      </ul>
    </section>
  );
}

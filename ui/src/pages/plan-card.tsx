// One plan on the overview: its state, what is next, what was last, what it covers and where its copies are.
import { Link } from 'wouter';
import { useMay, useOverview, useStart, useZone, type Card } from '../api/queries';
import { Button, ButtonLink } from '../parts/button';
import { Pill, PlanPill } from '../parts/pill';
import { Text } from '../parts/text';
import { Time, useNow } from '../parts/time';
import { toast } from '../parts/toast';
import { t } from '../words';
import { list, relative, size, soon } from '../words/format';
import { PlanMenu } from './plan-menu';

export const pathOf = (plan: string) => `/plans/${encodeURIComponent(plan)}`;

export function PlanCard({ plan }: { plan: Card }) {
  const may = useMay();
  return (
    <article className="card plan" aria-labelledby={`plan-${plan.name}`}>
      <header>
        <h3 id={`plan-${plan.name}`}>
          <Link to={pathOf(plan.name)}>{plan.name}</Link>
        </h3>
        <div className="buttons">
          <BackUp plan={plan} />
          {may.change && <PlanMenu plan={plan} />}
        </div>
      </header>
      <PlanPills plan={plan} />
      <dl className="facts">
        <dt>{t('plan.next')}</dt>
        <dd>
          <Next plan={plan} />
        </dd>
        <dt>{t('plan.last')}</dt>
        <dd>
          {plan.last_success ? <Time at={plan.last_success} /> : t('word.never')}
          {plan.latest && <span className="quiet"> · {size(plan.latest.bytes)}</span>}
        </dd>
        <dt>{t('plan.covers')}</dt>
        <dd>{covers(plan)}</dd>
        <dt>{t('plan.copies')}</dt>
        <dd>{places(plan)}</dd>
      </dl>
      <Month days={plan.days} />
    </article>
  );
}

const DAYS = ['good', 'warnings', 'failed', 'missed', 'interrupted', 'cancelled'] as const;

/** How the backups of the last 30 days ended: a bar for each day, and the same in words. */
function Month({ days }: { days: Card['days'] }) {
  const told = DAYS.map((state) => ({ state, n: days.filter((day) => day === state).length })).filter(({ n }) => n > 0);
  if (told.length === 0) return null;
  return (
    <div className="month">
      <div className="bars" aria-hidden="true">
        {days.map((day, index) => (
          <span key={index} className={day ?? 'none'} />
        ))}
      </div>
      <p className="small quiet">{t('plan.days', { days: list(told.map(({ state, n }) => t(`plan.days.${state}`, { n }))) })}</p>
    </div>
  );
}

/** State and proof of a plan. */
export function PlanPills({ plan }: { plan: Card }) {
  const now = useNow();
  const proven = plan.last_proven ?? undefined;
  const text = proven
    ? t('plan.tested', { age: relative(proven, now) })
    : plan.last_verified
      ? t('plan.verified', { age: relative(plan.last_verified, now) })
      : undefined;
  // A proof of long ago proves less.
  const old = proven !== undefined && now - Date.parse(proven) > 14 * 86_400_000;
  return (
    <span className="pills">
      <PlanPill state={plan.state} />
      {text && (
        <Pill look={old ? 'warning' : 'good'} icon={old ? 'warning' : 'check'}>
          {text}
        </Pill>
      )}
      {plan.built_in && (
        <Pill look="plain" icon="lock">
          {t('plan.built_in')}
        </Pill>
      )}
    </span>
  );
}

/** Starts a backup; while one runs, the way to it. */
export function BackUp({ plan, look = 'normal' }: { plan: Card; look?: 'normal' | 'primary' }) {
  const start = useStart();
  const may = useMay();
  const waits = useOverview().data?.active.find((run) => run.plan === plan.name && run.kind === 'backup' && run.attempt === 1);
  const run = plan.running ?? waits?.id;
  if (run) return <ButtonLink to={`/runs/${run}`}>{t('plan.open_run')}</ButtonLink>;
  if (!may.change) return null;
  const press = () =>
    start.mutate(
      { plan: plan.name },
      {
        onSuccess: () => toast(t('run.doing.backup', { plan: plan.name }), { icon: 'play' }),
        onError: (error) => toast(error.message, { icon: 'warning' }),
      },
    );
  return (
    <Button look={look} icon="play" busy={start.isPending} onClick={press}>
      {t('plan.back_up_now')}
      <span className="hidden">: {plan.name}</span>
    </Button>
  );
}

/** When a plan runs next; a time in the past is never shown as the next. */
export function Next({ plan }: { plan: Card }) {
  const zone = useZone();
  const now = useNow();
  if (!plan.schedule) return t('plan.by_hand');
  if (!plan.enabled) return t('plan.off');
  if (!plan.next_run) return t('word.unknown');
  if (Date.parse(plan.next_run) < now - 60_000) return t('plan.overdue');
  const own = plan.zone ?? zone;
  return (
    <Text
      k="plan.in"
      values={{ when: relative(plan.next_run, now), zone: own }}
      parts={{ at: <time dateTime={plan.next_run}>{soon(plan.next_run, own)}</time> }}
    />
  );
}

export function covers({ covers: of }: Card): string {
  const parts = (['databases', 'directories', 'files', 'commands'] as const)
    .filter((kind) => of[kind] > 0)
    .map((kind) => t(`plan.covers.${kind}`, { n: of[kind] }));
  return list(of.settings > 0 ? [...parts, t('plan.covers.settings')] : parts) || t('word.none');
}

/** A folder that has no name of its own is told by its last two parts. */
const short = (name: string) => (name.startsWith('/') ? `…/${name.split('/').slice(-2).join('/')}` : name);

export function places({ destinations }: Card): string {
  const told = destinations.map(({ name, same_disk: same }) => (same ? `${short(name)} (${t('plan.same_disk')})` : short(name)));
  return told.join(' · ') || t('word.none');
}

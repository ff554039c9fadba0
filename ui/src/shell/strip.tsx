// What is running, on every page: one line for each run, at most three, each the way to its page. The start and the end
// of a run are read out once, and every quarter in between.
import { useEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import { useLive, type Live } from '../api/live';
import { useOverview, type Run } from '../api/queries';
import { Progress } from '../parts/progress';
import { useSeconds } from '../parts/time';
import { t } from '../words';
import { size } from '../words/format';
import { left, percent, speed } from '../words/pace';

/** Runs that wait or work, with what each told last. */
function useActive(): { run: Run; live: Live | undefined }[] {
  const overview = useOverview();
  const live = useLive();
  return (overview.data?.active ?? [])
    .map((run) => ({ run, live: live.get(run.id) }))
    .filter(({ live }) => live?.event.state !== 'done');
}

export function Strip() {
  const active = useActive();
  const now = useSeconds(active.length > 0);
  const working = active.filter(({ run, live }) => (live?.event.state ?? run.state) === 'running');
  // What only waits for a later try is not worth a line on every page.
  const waiting = active.filter((one) => !working.includes(one) && new Date(one.run.due_at).getTime() < now + 60_000);
  const lines = [...working, ...waiting];
  return (
    <>
      {lines.length > 0 && (
        <aside className="strip" aria-label={t('shell.running')}>
          {lines.slice(0, 3).map(({ run, live }) => (
            <Link key={run.id} to={`/runs/${run.id}`}>
              <span>{t(`run.doing.${run.kind}`, { plan: run.plan })}</span>
              {working.some((one) => one.run === run) ? <Pace live={live} now={now} /> : <span className="quiet">{t('shell.waiting')}</span>}
            </Link>
          ))}
          {lines.length > 3 && <p className="small quiet">{t('shell.more_running', { n: lines.length - 3 })}</p>}
        </aside>
      )}
      <Announcer active={working} />
    </>
  );
}

function Pace({ live, now }: { live: Live | undefined; now: number }) {
  const part = percent(live);
  const rate = speed(live, now);
  const rest = left(live, now);
  return (
    <>
      <Progress value={part} label={t('run.progress')} />
      <span className="number small quiet">
        {[part !== undefined && `${Math.floor(part)} %`, rate > 0 && t('run.speed', { speed: size(rate) }), rest].filter(Boolean).join(' · ')}
      </span>
    </>
  );
}

/** Says what a reader of the screen would otherwise have to look for. */
function Announcer({ active }: { active: { run: Run; live: Live | undefined }[] }) {
  const [said, say] = useState('');
  const known = useRef(new Map<string, { title: string; quarter: number }>());
  useEffect(() => {
    for (const { run, live } of active) {
      const title = t(`run.doing.${run.kind}`, { plan: run.plan });
      const quarter = Math.floor((percent(live) ?? 0) / 25);
      const before = known.current.get(run.id);
      if (!before) say(title);
      else if (quarter > before.quarter && quarter < 4) say(`${title}: ${t('run.announce', { percent: quarter * 25 })}`);
      known.current.set(run.id, { title, quarter: Math.max(quarter, before?.quarter ?? 0) });
    }
    for (const [id, { title }] of known.current) {
      if (!active.some(({ run }) => run.id === id)) {
        say(t('shell.ended', { title }));
        known.current.delete(id);
      }
    }
  }, [active]);
  return (
    <p className="hidden" role="status" aria-live="polite">
      {said}
    </p>
  );
}

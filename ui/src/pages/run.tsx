// One run, from its place in the queue to its end: what it does now and how far it is, the steps it took, its log, and
// what to do next. Lives on the run's events; when they do not come it asks. It can be closed at any time.
import { useState, type ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { address } from '../api/client';
import { useLive, useLink, type Live } from '../api/live';
import { useMay, useOverview, useRun, useStart, useZone, type Run } from '../api/queries';
import { Button, ButtonLink } from '../parts/button';
import { Copyable } from '../parts/copy';
import { Confirm } from '../parts/dialog';
import { RunPill, stateOf } from '../parts/pill';
import { Progress } from '../parts/progress';
import { ErrorCard, Note, Skeleton } from '../parts/state';
import { Time, useSeconds } from '../parts/time';
import { toast } from '../parts/toast';
import { Page } from '../shell/page';
import { t } from '../words';
import { clock, duration, number, relative, size } from '../words/format';
import { explain } from '../words/explain';
import { left, percent, speed } from '../words/pace';
import { Explain } from './run-explain';
import { failureOf } from './run-failure';
import { RunLog } from './run-log';
import { Result, resultOf } from './run-result';
import { phase, Steps } from './run-steps';
import { pathOf } from './plan-card';
import { BackToPreview, UndoRestore } from './undo';

export function RunPage({ id }: { id: string }) {
  const run = useRun(id);
  const live = useLive().get(id);
  if (!run.data) {
    return (
      <Page title={t('run.one')}>
        {run.error ? <Missing error={run.error} retry={() => void run.refetch()} /> : <Skeleton card lines={2} />}
      </Page>
    );
  }
  // Events are ahead of what was asked; an end is an end, whoever told it.
  const ahead = live && run.data.state !== 'done' ? { state: live.event.state, outcome: live.event.outcome ?? run.data.outcome ?? null } : {};
  return <Known run={{ ...run.data, ...ahead }} live={live} />;
}

function Missing({ error, retry }: { error: Error; retry: () => void }) {
  const gone = 'status' in error && error.status === 404;
  return gone ? <Note look="warning">{t('run.unknown')}</Note> : <ErrorCard error={error} retry={retry} />;
}

function Known({ run, live }: { run: Run; live: Live | undefined }) {
  const works = run.state === 'running';
  return (
    <Page title={t(`run.title.${run.kind}`, { plan: run.plan })} pills={<RunPill run={run} />} answer={<Stand run={run} />} actions={<Acts run={run} />}>
      <BackToPreview run={run} />
      {works && <Now run={run} live={live} />}
      {run.state !== 'done' && <p className="quiet">{t('run.close')}</p>}
      <Explain run={run} />
      <div className="grid">
        <Steps run={run} live={live} />
        <Facts run={run} />
      </div>
      <RunLog run={run} live={live} />
    </Page>
  );
}

/** The sentence that one came for. */
function Stand({ run }: { run: Run }): ReactNode {
  const zone = useZone();
  const { kind } = run;
  const state = stateOf(run);
  const done = resultOf(run);
  const failure = failureOf(run);
  const known = failure && explain(failure.code);
  const reason = known ? `${t(known.title)}.` : (failure?.message ?? '');
  switch (state) {
    case 'queued':
      if (run.attempt > 1 || run.error) return t('run.answer.again', { when: relative(run.due_at, Date.now()), at: clock(run.due_at, zone, { day: false }) });
      return t('run.answer.queued');
    case 'running':
      return t(run.cancelling ? 'run.answer.stopping' : 'run.answer.running');
    case 'good':
      if (kind !== 'backup') return t(`run.answer.${kind}.good`);
      if (done.reused) return t('run.answer.backup.reused');
      return t('run.answer.backup.good', { size: size(done.bytes ?? 0), duration: duration(done.duration_ms ?? 0) });
    case 'warnings':
      return t(`run.answer.${kind}.warnings`);
    case 'interrupted':
      if (kind !== 'restore') return t('run.answer.interrupted');
      if (failure?.code === 'restore_taken_back') return t('run.answer.restore.taken_back');
      return t(failure ? 'run.answer.restore.waits' : 'run.answer.restore.unknown');
    case 'failed':
      return t(kind === 'restore' ? 'run.answer.restore.failed' : 'run.answer.failed', { reason });
    default:
      return t(`run.answer.${state}`);
  }
}

/** What can be done: stop it, or whatever comes after its end. */
function Acts({ run }: { run: Run }) {
  const may = useMay();
  const start = useStart();
  const [, go] = useLocation();
  const [asks, ask] = useState(false);
  const failed = (error: Error) => toast(error.message, { icon: 'warning' });
  if (run.state !== 'done') {
    if (!may.change) return null;
    const stop = () => start.mutate({ cancel: run.id }, { onSuccess: () => ask(false), onError: failed });
    return (
      <>
        <Button icon="stop" busy={run.cancelling} onClick={() => ask(true)}>
          {t('run.stop')}
        </Button>
        <Confirm
          open={asks}
          title={t('run.stop.title')}
          text={t(run.kind === 'backup' || run.kind === 'restore' ? `run.stop.${run.kind}` : 'run.stop.other')}
          submit={t('run.stop.submit')}
          keep={t('run.stop.keep')}
          busy={start.isPending}
          onClose={() => ask(false)}
          onConfirm={stop}
        />
      </>
    );
  }
  const again = () => start.mutate({ plan: run.plan }, { onSuccess: ({ run: next }) => go(`/runs/${next}`), onError: failed });
  // What failed has its button beside the explanation.
  const bad = run.outcome === 'failed' || run.outcome === 'interrupted';
  return (
    <>
      {run.kind === 'backup' && may.change && !bad && (
        <Button icon="play" busy={start.isPending} onClick={again}>
          {t('plan.back_up_now')}
        </Button>
      )}
      {run.kind === 'restore' && <UndoRestore plan={run.plan} run={run.id} />}
      <ButtonLink to={pathOf(run.plan)}>{run.plan}</ButtonLink>
    </>
  );
}

/** How far it is, without guessing: what is known, and that nothing was heard when nothing was. */
function Now({ run, live }: { run: Run; live: Live | undefined }) {
  const now = useSeconds(true);
  const link = useLink();
  const told = (live?.event.progress ?? run.progress) as Live['event']['progress'];
  const part = percent(live) ?? (told?.total ? Math.min(100, (100 * told.done) / told.total) : undefined);
  const rate = speed(live, now);
  const silent = live ? Math.round((now - live.at) / 1000) : 0;
  const facts = [
    told && (told.total ? t('run.bytes', { done: size(told.done), total: size(told.total) }) : told.done > 0 && size(told.done)),
    part !== undefined && `${number(Math.floor(part))} %`,
    rate > 0 && t('run.speed', { speed: size(rate) }),
    left(live, now),
    run.started_at && t('run.elapsed', { time: duration(Math.max(0, now - Date.parse(run.started_at))) }),
  ].filter(Boolean);
  return (
    <section className="card" aria-label={t('run.progress')}>
      <p className="spread">
        <strong>{told ? phase(told.phase) : t('run.preparing')}</strong>
        <span className="quiet mono" title={told?.what}>
          {told?.what && middle(told.what)}
        </span>
      </p>
      <Progress value={part} label={t('run.progress')} />
      <p className="number quiet">{facts.join(' · ')}</p>
      {link.state === 'live' && silent >= 10 && (
        <Note look="warning">{t(silent >= 60 ? 'run.silent.long' : 'run.silent', { n: silent })}</Note>
      )}
    </section>
  );
}

/** A long name without its middle: its end tells more than that. */
function middle(text: string): string {
  return text.length <= 48 ? text : `${text.slice(0, 22)}…${text.slice(-24)}`;
}

/** The same without the page. */
function command(run: Run): string {
  const url = new URL(address(`api/v1/runs/${run.id}`), window.location.href);
  return run.kind === 'backup' ? `recoup backup ${run.plan}` : `curl -H "Authorization: Bearer $TOKEN" ${url.href}`;
}

function Facts({ run }: { run: Run }) {
  const overview = useOverview();
  const known = overview.data?.plans.some((plan) => plan.name === run.plan);
  return (
    <section className="card" aria-labelledby="facts">
      <h2 id="facts">{t('run.facts')}</h2>
      <dl className="facts">
        <dt>{t('run.plan')}</dt>
        <dd>{known === false ? run.plan : <Link to={pathOf(run.plan)}>{run.plan}</Link>}</dd>
        <dt>{t('run.cause')}</dt>
        <dd>{t(`run.cause.${run.cause}`)}</dd>
        {run.started_at && (
          <>
            <dt>{t('run.started')}</dt>
            <dd>
              <Time at={run.started_at} exact seconds />
            </dd>
          </>
        )}
        {run.finished_at && (
          <>
            <dt>{t('run.ended')}</dt>
            <dd>
              <Time at={run.finished_at} exact seconds />
            </dd>
          </>
        )}
        {run.attempt > 1 && (
          <>
            <dt>{t('run.attempt')}</dt>
            <dd>{number(run.attempt)}</dd>
          </>
        )}
        {run.missed > 0 && (
          <>
            <dt>{t('run.missed_before')}</dt>
            <dd>{number(run.missed)}</dd>
          </>
        )}
        <Result run={run} />
        <dt>{t('run.id')}</dt>
        <dd className="mono">{run.id}</dd>
      </dl>
      <details>
        <summary>{t('word.show_command')}</summary>
        <Copyable text={command(run)} />
      </details>
    </section>
  );
}

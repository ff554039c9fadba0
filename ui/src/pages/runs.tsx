// What ran and what runs, newest first, by kind. Restores are here too, told apart from backups by their kind; what they
// put back or made is on the page of the run.
import { Link } from 'wouter';
import { useOverview, useRuns, type Run } from '../api/queries';
import { Button } from '../parts/button';
import { RunPill } from '../parts/pill';
import { Answer, Empty, ErrorCard } from '../parts/state';
import { Table } from '../parts/table';
import { Time } from '../parts/time';
import { FilterSelect, useFilters } from '../shell/filters';
import { Page } from '../shell/page';
import { t } from '../words';
import { duration } from '../words/format';
import { pathOf } from './plan-card';

const KINDS = ['backup', 'restore', 'verify', 'prune', 'copy'] as const;

export function Runs() {
  const filters = useFilters();
  const kind = filters.one('kind', KINDS);
  const running = useOverview().data?.active.filter((run) => run.state === 'running').length;
  const answer = running === undefined ? null : running === 0 ? t('runs.answer.none') : t('runs.answer', { n: running });
  return (
    <Page title={t('page.runs')} answer={answer}>
      <div className="grid">
        <FilterSelect label={t('runs.kind')} name="kind" filters={filters} words={KINDS} any={t('runs.any_kind')} say={(word) => t(`run.kind.${word}`)} />
      </div>
      <section className="card">
        <RunList {...(kind && { kind })} empty={t('runs.empty')} />
      </section>
    </Page>
  );
}

/** Runs in pages; of one plan without the column for it. */
export function RunList({ plan, kind, empty }: { plan?: string; kind?: Run['kind']; empty: string }) {
  const runs = useRuns({ ...(plan && { plan }), ...(kind && { kind }) });
  const rows = runs.data?.pages.flatMap((page) => page.items);
  return (
    <Answer of={{ data: rows, error: runs.error, refetch: runs.refetch }} lines={8}>
      {(all) =>
        all.length === 0 ? (
          <Empty>{empty}</Empty>
        ) : (
          <>
            <Table
              caption={t('page.runs')}
              rows={all}
              id={(run) => run.id}
              columns={[
                {
                  name: t('runs.kind'),
                  cell: (run: Run) => (
                    <Link to={`/runs/${run.id}`}>
                      {t(`run.kind.${run.kind}`)}
                      <span className="hidden"> {run.plan}</span>
                    </Link>
                  ),
                },
                ...(plan ? [] : [{ name: t('plan.name'), cell: (run: Run) => <Link to={pathOf(run.plan)}>{run.plan}</Link> }]),
                { name: t('plan.state'), cell: (run) => <RunPill run={run} /> },
                { name: t('runs.when'), cell: (run) => <Time at={run.started_at ?? run.queued_at} exact /> },
                { name: t('run.cause'), cell: (run) => t(`run.cause.${run.cause}`) },
                { name: t('run.took'), cell: took, end: true },
              ]}
            />
            {runs.isFetchNextPageError && <ErrorCard error={runs.error} />}
            {runs.hasNextPage && (
              <div className="buttons">
                <Button busy={runs.isFetchingNextPage} onClick={() => void runs.fetchNextPage()}>
                  {t('word.show_older')}
                </Button>
              </div>
            )}
          </>
        )
      }
    </Answer>
  );
}

/** How long a run took; nothing while it works. */
export function took(run: Run): string {
  if (!run.started_at || !run.finished_at) return '';
  return duration(Math.max(0, Date.parse(run.finished_at) - Date.parse(run.started_at)));
}

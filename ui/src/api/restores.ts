// Restores: the preview, the act, undoing the last one; and what a page must remember about a restore that it started, so
// that one which found the data changed comes back with a new preview. Not here: sending a file (uploads.ts).
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, body, once, type Schemas } from './client';
import { useRuns, type Run } from './queries';
import type { Difference } from './backups';

export type Preview = Omit<Schemas['PreviewView'], 'differences'> & { differences: Difference };

/** The answer with the shape of its differences written down. */
export const previewOf = (answer: Schemas['PreviewView']): Preview => {
  const known = answer.differences as Partial<Difference>;
  return { ...answer, differences: { databases: known.databases ?? [], directories: known.directories ?? [] } };
};

/** What a restore of a backup, or of `only` these parts and tables, would do. */
export const usePreview = () =>
  useMutation({
    mutationFn: async (given: { backup: string; only: string[] }) => previewOf(await body(api.POST('/api/v1/restores/preview', { body: given }))),
  });

/** Starts what was previewed, or takes the last restore of a plan back. Gives the run. */
export function useRestore() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (act: { preview: string; force: boolean } | { undo: string }) => {
      const headers = { 'Idempotency-Key': once() };
      return 'undo' in act
        ? body(api.POST('/api/v1/plans/{name}/undo', { params: { path: { name: act.undo } }, headers }))
        : body(api.POST('/api/v1/restores', { headers, body: { ...act, confirm: true } }));
    },
    onSettled: () => {
      for (const key of ['runs', 'overview', 'backups']) void client.invalidateQueries({ queryKey: [key] });
    },
  });
}

type RestoreResult = { safety_backup?: string | null; undoes?: string | null; restore?: string | null };
const resultOf = (run: Run) => (run.result ?? {}) as RestoreResult;

/** The last restore of a plan that can be undone: it ended well, had a safety backup, and was not undone yet. */
export function useUndoable(plan: string): Run | undefined {
  const runs = useRuns({ plan, kind: 'restore', limit: 10 }).data?.pages[0]?.items ?? [];
  const ended = runs.filter((run) => run.outcome === 'good' || run.outcome === 'warnings');
  const undone = new Set(ended.map((run) => resultOf(run).undoes).filter(Boolean));
  const last = ended.find((run) => !resultOf(run).undoes && !undone.has(resultOf(run).restore));
  return last && resultOf(last).safety_backup ? last : undefined;
}

const STARTED = 'restore-started';
type Started = { run: string; to: string };

/** Keeps where the preview of a run is made again, for as long as the tab is open. */
export function rememberStart(started: Started): void {
  try {
    sessionStorage.setItem(STARTED, JSON.stringify(started));
  } catch {
    // Then the page of the run says what to do instead.
  }
}

/** Where a run that this tab started is previewed again. */
export function startedFrom(run: string): string | undefined {
  try {
    const known = JSON.parse(sessionStorage.getItem(STARTED) ?? 'null') as Started | null;
    return known?.run === run ? known.to : undefined;
  } catch {
    return undefined;
  }
}

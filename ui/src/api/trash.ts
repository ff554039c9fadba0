// What was deleted and waits for a day: listed in pages, and put back.
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { api, body, Problem, type Schemas } from './client';

export type Trashed = Schemas['TrashedView'];
type Failed = Schemas['FailedView'];

/** What lies in the trash, what was deleted last first. The server asks the destinations, so it is not asked often. */
export const useTrash = () =>
  useInfiniteQuery({
    queryKey: ['trash'],
    staleTime: 10_000,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => body(api.GET('/api/v1/trash', { params: { query: { limit: 50, ...(pageParam && { cursor: pageParam }) } } })),
    getNextPageParam: (page) => page.next ?? undefined,
  });

/** Puts every copy of a backup back; it is protected then, because retention would take it again. */
export function usePutBack() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (backup: Trashed) => body(api.POST('/api/v1/trash/{backup}/put-back', { params: { path: { backup: backup.id ?? backup.name } }, body: {} })),
    onSettled: () => {
      for (const key of ['trash', 'backups', 'overview']) void client.invalidateQueries({ queryKey: [key] });
    },
  });
}

/** What went wrong at one destination, as an error. */
export const problemAt = (failed: Failed): Problem => new Problem(failed.problem.status, failed.problem);

// Backups: lists with filters, one of them, what differs, why each is kept, and what is done to one. Not here: restores.
import { useInfiniteQuery, useMutation, useQueries, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { api, body, once, type Schemas } from './client';
import { useMay, type Backup } from './queries';

export type BackupFilter = {
  plan?: string;
  kind?: Schemas['Kind'];
  protected?: boolean;
  since?: string;
  until?: string;
  destination?: string;
  state?: 'damaged' | 'unverified' | 'verified' | 'restored';
  search?: string;
  limit?: number;
};
export type BackupDetail = Schemas['BackupDetail'];
export type Level = Schemas['Level'];

/** What differs between two sides, as the server counts it. */
export type Difference = {
  databases: { name: string; schema: string[]; tables: TableChange[] }[];
  directories: { name: string; added: number; changed: number; removed: number; examples: string[] }[];
};
export type TableChange = { name: string; added: number; changed: number; removed: number; keys?: Record<'added' | 'changed' | 'removed', unknown[]> };

/** Backups, newest first, in pages of 50. */
export function useBackupPages(filter: BackupFilter) {
  const query = { limit: 50, ...filter };
  return useInfiniteQuery({
    queryKey: ['backups', 'pages', query],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      body(api.GET('/api/v1/backups', { params: { query: pageParam ? { ...query, cursor: pageParam } : query } })),
    getNextPageParam: (page) => page.next ?? undefined,
  });
}

export const useBackup = (id: string | undefined) =>
  useQuery({
    queryKey: ['backups', id],
    enabled: id !== undefined,
    queryFn: () => body(api.GET('/api/v1/backups/{id}', { params: { path: { id: id ?? '' } } })),
  });

/** The newest backup of a plan before an instant. */
export const useBefore = (plan: string, at: string | undefined) =>
  useQuery({
    queryKey: ['backups', 'before', plan, at],
    enabled: at !== undefined,
    queryFn: async (): Promise<Backup | null> => {
      const until = new Date(Date.parse(at ?? '') - 1).toISOString();
      const page = await body(api.GET('/api/v1/backups', { params: { query: { plan, until, limit: 2 } } }));
      return page.items.find((backup) => Date.parse(backup.created_at) < Date.parse(at ?? '')) ?? null;
    },
  });

/** What differs between a backup and the data now, or another backup; `added` is what only the other side has. */
export const useDifference = (id: string, other: 'now' | string | undefined) =>
  useQuery({
    queryKey: ['difference', id, other],
    enabled: other !== undefined,
    staleTime: other === 'now' ? 0 : 600_000,
    queryFn: async () => {
      const query = other === 'now' ? {} : { with: other as string };
      return (await body(api.GET('/api/v1/backups/{id}/diff', { params: { path: { id }, query } }))) as unknown as Difference;
    },
  });

/** Whether retention keeps a backup, and why; the first destination that knows it speaks. */
export type Kept = { keep: boolean; reasons: string[] };

/** What retention says of each backup of some plans, by id. */
export function useKept(plans: string[]): ReadonlyMap<string, Kept> {
  const may = useMay();
  return useQueries({
    queries: plans.map((name) => ({
      queryKey: ['backups', 'kept', name],
      enabled: may.change,
      staleTime: 60_000,
      retry: false,
      queryFn: () => body(api.POST('/api/v1/plans/{name}/retention', { params: { path: { name } } })),
    })),
    combine: (answers) => {
      const known = new Map<string, Kept>();
      for (const { data } of answers) {
        for (const backup of data?.destinations.flatMap((place) => place.backups) ?? []) {
          if (!known.has(backup.id)) known.set(backup.id, { keep: backup.keep, reasons: backup.reasons });
        }
      }
      return known;
    },
  });
}

type Act = { id: string } & ({ verify: Level } | { copy: string } | { protect: boolean } | { remove: true; force: boolean });

async function carryOut(act: Act): Promise<{ run?: string }> {
  const params = { path: { id: act.id } };
  if ('verify' in act) {
    const headers = { 'Idempotency-Key': once() };
    return body(api.POST('/api/v1/backups/{id}/verify', { params, headers, body: { level: act.verify } }));
  }
  if ('copy' in act) {
    const headers = { 'Idempotency-Key': once() };
    return body(api.POST('/api/v1/backups/{id}/copy', { params, headers, body: { destination: act.copy } }));
  }
  if ('remove' in act) {
    const query = act.force ? { force: true } : {};
    await body(api.DELETE('/api/v1/backups/{id}', { params: { ...params, query } }));
  } else if (act.protect) await body(api.PUT('/api/v1/backups/{id}/protection', { params }));
  else await body(api.DELETE('/api/v1/backups/{id}/protection', { params }));
  return {};
}

/** What was done to backups makes these answers old. */
function renew(client: QueryClient): void {
  for (const key of ['backups', 'overview', 'runs', 'trash']) void client.invalidateQueries({ queryKey: [key] });
}

/** Verifies, copies, protects or deletes one backup. A verification and a copy give their run. */
export function useBackupAct() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: carryOut,
    onSettled: (_, error, act) => {
      if ('remove' in act && !error) client.removeQueries({ queryKey: ['backups', act.id], exact: true });
      renew(client);
    },
  });
}

export type BulkAct = 'verify' | 'protect' | 'delete';

/** The same with several, one after the other; what fails does not stop the others. `force` names plans that may lose all. */
export function useBulk() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ act, backups, force = [] }: { act: BulkAct; backups: Backup[]; force?: string[] }) => {
      const failed: { backup: Backup; error: Error }[] = [];
      for (const backup of backups) {
        const { id } = backup;
        const one = act === 'verify' ? { id, verify: 'integrity' as const } : act === 'protect' ? { id, protect: true } : { id, remove: true as const, force: backup.protected || force.includes(backup.plan) };
        await carryOut(one).catch((error: Error) => failed.push({ backup, error }));
      }
      return { done: backups.length - failed.length, failed };
    },
    onSettled: () => renew(client),
  });
}

/** Whether a plan keeps a verified, undamaged backup without some of them; by its name. */
export function useSpared(plans: string[], without: ReadonlySet<string>): ReadonlyMap<string, boolean> {
  return useQueries({
    queries: plans.map((plan) => ({
      queryKey: ['backups', 'proven', plan],
      queryFn: () => body(api.GET('/api/v1/backups', { params: { query: { plan, state: 'verified' as const, limit: 200 } } })),
    })),
    combine: (answers) =>
      new Map(
        plans.map((plan, at) => {
          const known = answers[at]?.data?.items ?? [];
          return [plan, known.some((one) => !without.has(one.id) && one.copies.some((copy) => copy.verified && !copy.damaged))];
        }),
      ),
  });
}

/** Where a backup is downloaded from, below the page's path. */
export const downloadOf = (id: string): string => `api/v1/backups/${encodeURIComponent(id)}/download`;

/** Bytes of all copies of some backups. */
export const bytesOf = (backups: Backup[]): number => backups.flatMap((backup) => backup.copies).reduce((sum, copy) => sum + copy.bytes, 0);

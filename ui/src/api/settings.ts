// How the daemon is set, its people, tokens, what was done and when: asked and changed here. Not here: destinations and channels.
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from './client';

export type Settings = Schemas['SettingsView'];

export const useSettings = () => useQuery({ queryKey: ['settings'], staleTime: 60_000, queryFn: () => body(api.GET('/api/v1/settings')) });

export function useChangeSettings() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (change: Schemas['SettingsChange']) => body(api.PATCH('/api/v1/settings', { body: change })),
    onSettled: () => void client.invalidateQueries({ queryKey: ['settings'] }),
  });
}

export const useUsers = () => useQuery({ queryKey: ['users'], queryFn: async () => (await body(api.GET('/api/v1/users'))).items });
export const useTokens = () => useQuery({ queryKey: ['tokens'], queryFn: async () => (await body(api.GET('/api/v1/tokens'))).items });
/** How the daemon judges itself. */

export const useScheduler = () => useQuery({ queryKey: ['runs', 'scheduler'], queryFn: () => body(api.GET('/api/v1/scheduler')) });

export type User = Schemas['User'];
type UserAct = { make: Schemas['NewUser'] } | { id: string; change: Schemas['UserChange'] } | { id: string; end: true };

/** Makes a user, changes one, or ends their sign-ins. */
export function useUserAct() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (act: UserAct): Promise<void> => {
      if ('make' in act) await body(api.POST('/api/v1/users', { body: act.make }));
      else if ('end' in act) await body(api.DELETE('/api/v1/users/{id}/sessions', { params: { path: { id: act.id } } }));
      else await body(api.PATCH('/api/v1/users/{id}', { params: { path: { id: act.id } }, body: act.change }));
    },
    onSettled: () => void client.invalidateQueries({ queryKey: ['users'] }),
  });
}

/** Makes a token; its secret is in the answer and nowhere else. */
export function useMakeToken() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (given: Schemas['NewToken']) => body(api.POST('/api/v1/tokens', { body: given })),
    onSettled: () => void client.invalidateQueries({ queryKey: ['tokens'] }),
  });
}

export function useRemoveToken() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => body(api.DELETE('/api/v1/tokens/{id}', { params: { path: { id } } })),
    onSettled: () => void client.invalidateQueries({ queryKey: ['tokens'] }),
  });
}

export type AuditEvent = Schemas['AuditEvent'];

/** What was done, newest first, in pages. */
export function useAudit(filter: { event?: string; user?: string; since?: string }) {
  const query = { limit: 50, ...filter };
  return useInfiniteQuery({
    queryKey: ['audit', query],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => body(api.GET('/api/v1/audit', { params: { query: pageParam ? { ...query, cursor: pageParam } : query } })),
    getNextPageParam: (page) => page.next ?? undefined,
  });
}

/** Whether an event was changed, removed or cut off. */
export const useCheckAudit = () => useMutation({ mutationFn: () => body(api.GET('/api/v1/audit/verify')) });

/** What ended on each day from one to another, and what is planned. */
export const useCalendar = (from: string, until: string, plan: string) =>
  useQuery({
    queryKey: ['runs', 'calendar', from, until, plan],
    placeholderData: keepPreviousData,
    queryFn: () => body(api.GET('/api/v1/calendar', { params: { query: { from, until, ...(plan && { plan }) } } })),
  });

export type Check = Schemas['CheckView'];
export type Value = Schemas['ValueView'];

/** The daemon and the machine below it. */
export const useSystem = () => useQuery({ queryKey: ['system'], queryFn: () => body(api.GET('/api/v1/system')) });

/** What holds for plans that do not say otherwise. */
export const useDefaults = () =>
  useQuery({ queryKey: ['settings', 'defaults'], staleTime: 60_000, queryFn: async () => (await body(api.GET('/api/v1/settings/defaults'))).items });

/** Every setting in effect. */
export const useValues = (wanted: boolean) =>
  useQuery({ queryKey: ['settings', 'values'], enabled: wanted, staleTime: 60_000, queryFn: async () => (await body(api.GET('/api/v1/settings/values'))).items });

/** The text that helps to find out what is wrong, made anew each time. */
export const useDiagnostics = () => useMutation({ mutationFn: () => body(api.GET('/api/v1/diagnostics', { parseAs: 'text' })) });

/** Pauses every schedule until then, or until somebody resumes; or resumes. */
export function usePause() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (act: { until: '1h' | 'tomorrow' | null } | 'resume') =>
      body(act === 'resume' ? api.POST('/api/v1/scheduler/resume') : api.POST('/api/v1/scheduler/pause', { body: act })),
    onSettled: () => Promise.all(['runs', 'overview', 'system'].map((key) => client.invalidateQueries({ queryKey: [key] }))),
  });
}

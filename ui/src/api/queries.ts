// What is asked of the server and kept: one hook for each question, one for each change, and which answers a change makes
// old. Pages use these and never fetch by themselves.
import { QueryClient, useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { serverSays } from '../words/now';
import { api, ask, address, body, once, Problem, problem, type Schemas } from './client';

export type Run = Schemas['RunView'];
export type Plan = Schemas['PlanView'];
export type Card = Schemas['Card'];
export type Backup = Schemas['BackupView'];
export type Overview = Schemas['Overview'];
type Me = Schemas['Me'];

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      // What the server refused it refuses again; a server that restarts answers soon.
      retry: (count, error) => count < 2 && (!(error instanceof Problem) || error.status === 0 || error.status >= 500),
      refetchOnWindowFocus: true,
    },
  },
});

const me = {
  queryKey: ['me'],
  staleTime: 60_000,
  queryFn: async (): Promise<Me | null> => {
    const { data, error, response } = await api.GET('/api/v1/me');
    if (response.status === 401) return null;
    if (!data) throw await problem(response, error);
    return data;
  },
};
/** Who is signed in; `null` when nobody is. */
export const useMe = () => useQuery(me);

/** What somebody may do, by role. */
export function useMay(): { change: boolean; admin: boolean } {
  const role = useMe().data?.role;
  return { change: role === 'operator' || role === 'admin', admin: role === 'admin' };
}

export const useSetup = (wanted: boolean) =>
  useQuery({ queryKey: ['setup'], enabled: wanted, queryFn: () => body(api.GET('/api/v1/setup')) });

/** The first page in one answer; the shell lives on it too. */
const overview = {
  queryKey: ['overview'],
  queryFn: async () => {
    const told = await body(api.GET('/api/v1/overview'));
    serverSays(told.now);
    return told;
  },
};
export const useOverview = () => useQuery({ ...overview, refetchInterval: 60_000 });

/** Asks at once what the first view needs, before anything is drawn. */
export function begin(): void {
  void queries.prefetchQuery(me);
  void queries.prefetchQuery({ ...overview, retry: false });
}

const cards = {
  queryKey: ['overview', 'plans'],
  queryFn: () => body(api.GET('/api/v1/overview', { params: { query: { plans: 500 } } })),
};
/** Every plan as the overview tells them, up to 500. */
export const useCards = () => useQuery(cards);

/** The server's zone; UTC until it is known. */
export const useZone = (): string => useOverview().data?.zone ?? 'UTC';

export const usePlan = (name: string) =>
  useQuery({
    queryKey: ['plans', name],
    queryFn: () => body(api.GET('/api/v1/plans/{name}', { params: { path: { name } } })),
  });

export const useNextRuns = (name: string, count: number) =>
  useQuery({
    queryKey: ['plans', name, 'next', count],
    queryFn: () => body(api.GET('/api/v1/plans/{name}/next', { params: { path: { name }, query: { count } } })),
  });

/** Pages of a list, the next one when it is asked for. */
export function useRuns(filter: { plan?: string; kind?: Schemas['RunKind']; limit?: number }) {
  const query = Object.fromEntries(Object.entries({ limit: 50, ...filter }).filter(([, value]) => value !== undefined));
  return useInfiniteQuery({
    queryKey: ['runs', 'list', query],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      body(api.GET('/api/v1/runs', { params: { query: pageParam ? { ...query, cursor: pageParam } : query } })),
    getNextPageParam: (page) => page.next ?? undefined,
  });
}

export const useRun = (id: string) =>
  useQuery({
    queryKey: ['runs', id],
    queryFn: () => body(api.GET('/api/v1/runs/{id}', { params: { path: { id } } })),
    // Events tell sooner; this is for when they do not come.
    refetchInterval: (query) => (query.state.data?.state === 'done' ? false : 5_000),
  });

export const useRunLog = (id: string, working: boolean) =>
  useQuery({
    queryKey: ['runs', id, 'log'],
    refetchInterval: working ? 10_000 : false,
    queryFn: async () => {
      const answer = await ask(address(`api/v1/runs/${encodeURIComponent(id)}/log`));
      if (!answer.ok) throw await problem(answer);
      return answer.text();
    },
  });

/** Two presses of one thing within two seconds are one press: they have the same key, and the server does it once. */
const pressed = new Map<string, { key: string; at: number }>();
function keyOf(work: string): string {
  const before = pressed.get(work);
  const press = before && Date.now() - before.at < 2_000 ? before : { key: once(), at: Date.now() };
  pressed.set(work, press);
  return press.key;
}

const runPlan = (name: string, key: string) =>
  body(api.POST('/api/v1/plans/{name}/run', { params: { path: { name }, header: { 'Idempotency-Key': key } }, body: {} as Schemas['RunRequest'] }));

/** Starts a backup, a verification or a stop. */
export function useStart() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (work: { plan: string; verify?: Schemas['Level'] } | { cancel: string }) => {
      if ('cancel' in work) {
        await body(api.POST('/api/v1/runs/{id}/cancel', { params: { path: { id: work.cancel } } }));
        return { run: work.cancel };
      }
      const key = keyOf(JSON.stringify(work));
      if (!work.verify) return runPlan(work.plan, key);
      const params = { path: { name: work.plan }, header: { 'Idempotency-Key': key } };
      return body(api.POST('/api/v1/plans/{name}/verify', { params, body: { level: work.verify } }));
    },
    // The button is busy until the page shows what it did.
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['runs'] }), client.invalidateQueries({ queryKey: ['overview'] })]),
  });
}

export type PlansAct = 'run' | 'pause' | 'resume';

/** Backs several plans up (all: but Recoup's own), pauses or resumes them, one after the other; what fails stops no other. */
export function usePlansAct() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ act, plans }: { act: PlansAct; plans: string[] | 'all' }) => {
      const names = plans === 'all' ? (await client.fetchQuery(cards)).plans.filter((plan) => !plan.built_in).map((plan) => plan.name) : plans;
      const failed: { plan: string; error: Error }[] = [];
      for (const name of names) {
        const one: Promise<unknown> = act === 'run' ? runPlan(name, keyOf(JSON.stringify({ plan: name }))) : changePlan({ name, patch: { enabled: act === 'resume' } });
        await one.catch((error: Error) => failed.push({ plan: name, error }));
      }
      return { done: names.filter((name) => !failed.some(({ plan }) => plan === name)), failed };
    },
    onSettled: () => Promise.all(['plans', 'runs', 'overview'].map((key) => client.invalidateQueries({ queryKey: [key] }))),
  });
}

type Change = { name: string; version?: number; patch: Record<string, unknown> };
const changePlan = ({ name, version, patch }: Change) => {
  const header = version === undefined ? {} : { 'If-Match': `"${version}"` };
  return body(api.PATCH('/api/v1/plans/{name}', { params: { path: { name }, header }, body: patch as Record<string, never> }));
};

/** Changes a plan, only if nobody else did since `version`. */
export function useChangePlan() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: changePlan,
    onSettled: () => {
      void client.invalidateQueries({ queryKey: ['plans'] });
      void client.invalidateQueries({ queryKey: ['overview'] });
    },
  });
}

/** Deletes a plan; its backups stay. */
export function useDeletePlan() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => body(api.DELETE('/api/v1/plans/{name}', { params: { path: { name } } })),
    onSuccess: () => void client.invalidateQueries(),
  });
}

/** Signs in and forgets what somebody else saw. */
export function useSignIn() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (given: Schemas['SignIn']) => body(api.POST('/api/v1/session', { body: given })),
    onSuccess: () => client.invalidateQueries(),
  });
}

export function useSetUp() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (given: Schemas['SetUp']) => body(api.POST('/api/v1/setup', { body: given })),
    // Who one is comes first: that a set-up is no longer needed would lead to the sign-in.
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['me'] });
      await client.invalidateQueries();
    },
  });
}

export function useSignOut() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => body(api.DELETE('/api/v1/session')),
    onSettled: () => {
      client.clear();
      client.setQueryData(['me'], null);
    },
  });
}

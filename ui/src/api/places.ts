// Destinations and channels as documents: read, added, changed, tried and removed; the sign-in to Google Drive; how full
// destinations are. The names alone are in plans.ts.
import { useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, once, type Schemas } from './client';
import type { Document } from './plans';

export type Declared = Schemas['DeclaredView'];
type Connection = Schemas['ConnectionView'];
type What = 'destinations' | 'channels';
type Free = Record<string, never>;

export const useDeclared = (what: What, name: string | undefined) =>
  useQuery({
    queryKey: [what, name],
    enabled: name !== undefined,
    queryFn: () => {
      const params = { path: { name: name ?? '' } };
      return body(what === 'destinations' ? api.GET('/api/v1/destinations/{name}', { params }) : api.GET('/api/v1/channels/{name}', { params }));
    },
  });

/** Several destinations with their documents, by name; those that do not answer are left out. */
export const useAllDeclared = (names: string[]): ReadonlyMap<string, Declared> =>
  useQueries({
    queries: names.map((name) => ({
      queryKey: ['destinations', name],
      staleTime: 30_000,
      queryFn: () => body(api.GET('/api/v1/destinations/{name}', { params: { path: { name } } })),
    })),
    combine: (answers) => new Map(answers.flatMap(({ data }) => (data ? [[data.name, data] as const] : []))),
  });

/** Adds one, or changes one that was added here; what is absent in a change stays, so that a secret is never sent twice. */
export function useDeclare(what: What) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ name, document, version }: { name: string; document: Document; version?: number }): Promise<Declared> => {
      const path = { name };
      const given = { body: document as Free };
      if (version === undefined) {
        const params = { params: { path } };
        return body(what === 'destinations' ? api.POST('/api/v1/destinations/{name}', { ...params, ...given }) : api.POST('/api/v1/channels/{name}', { ...params, ...given }));
      }
      const params = { params: { path, header: { 'if-match': `"${version}"` } } };
      return body(what === 'destinations' ? api.PATCH('/api/v1/destinations/{name}', { ...params, ...given }) : api.PATCH('/api/v1/channels/{name}', { ...params, ...given }));
    },
    onSuccess: () => {
      for (const key of [what, 'overview', 'settings']) void client.invalidateQueries({ queryKey: [key] });
    },
  });
}

/** Removes one that no plan names. */
export function useUndeclare(what: What) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => {
      const params = { path: { name } };
      return body(what === 'destinations' ? api.DELETE('/api/v1/destinations/{name}', { params }) : api.DELETE('/api/v1/channels/{name}', { params }));
    },
    onSuccess: (_, name) => {
      client.removeQueries({ queryKey: [what, name] });
      for (const key of [what, 'overview', 'settings']) void client.invalidateQueries({ queryKey: [key] });
    },
  });
}

/** Tests a destination as it is, or as it would be with a document. */
export const useTryDestination = () =>
  useMutation({
    mutationFn: ({ name, document }: { name: string; document?: Document }) => {
      const params = { path: { name } };
      return document
        ? body(api.POST('/api/v1/destinations/{name}/try', { params, body: { document: document as Free } }))
        : body(api.POST('/api/v1/destinations/{name}/test', { params }));
    },
  });

/** Brings to a destination now what it lacks of a plan; gives the run. */
export function useCopyMissing() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ name, plan }: { name: string; plan: string }) => {
      const params = { path: { name }, header: { 'Idempotency-Key': once() } };
      return body(api.POST('/api/v1/destinations/{name}/copy', { params, body: { plan } }));
    },
    onSettled: () => {
      for (const key of ['destinations', 'runs', 'backups']) void client.invalidateQueries({ queryKey: [key] });
    },
  });
}

/** Sends a test message through a channel. */
export const useTryChannel = () =>
  useMutation({
    mutationFn: ({ name, document }: { name: string; document: Document }) =>
      body(api.POST('/api/v1/channels/{name}/try', { params: { path: { name } }, body: { document: document as Free } })),
  });

/** Lists everything that lies at a destination, whoever made it. */
export function useAdopt() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => body(api.POST('/api/v1/destinations/{name}/adopt', { params: { path: { name } } })),
    onSuccess: () => void client.invalidateQueries(),
  });
}

/** How a destination in Google Drive stands; asked every few seconds while somebody signs in elsewhere. */
export const useConnection = (name: string, wanted: boolean) =>
  useQuery({
    queryKey: ['drive', name],
    enabled: wanted,
    refetchInterval: (query) => (query.state.data?.state === 'waiting' ? 3_000 : false),
    queryFn: () => body(api.GET('/api/v1/destinations/{name}/sign-in', { params: { path: { name } } })),
  });

export function useConnect(name: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (on: boolean): Promise<Connection | null> => {
      const params = { path: { name } };
      if (on) return body(api.POST('/api/v1/destinations/{name}/sign-in', { params }));
      await body(api.DELETE('/api/v1/destinations/{name}/sign-in', { params }));
      return null;
    },
    onSuccess: (answer) => {
      if (answer) client.setQueryData(['drive', name], answer);
      else void client.invalidateQueries({ queryKey: ['drive', name] });
    },
  });
}

export const useGrowth = (days: number) =>
  useQuery({ queryKey: ['growth', days], staleTime: 60_000, queryFn: () => body(api.GET('/api/v1/growth', { params: { query: { days } } })) });

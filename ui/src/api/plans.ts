// What the editor of a plan asks: when a schedule would run, what a policy would keep, where copies can go, who can be told.
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, body, type Schemas } from './client';

export type Document = Record<string, unknown>;
type Free = Record<string, never>;

/** A value once it has been the same for a moment. */
export function useLater<Value>(value: Value, milliseconds: number): Value {
  const [late, set] = useState(value);
  const key = JSON.stringify(value);
  useEffect(() => {
    const timer = setTimeout(() => set(JSON.parse(key) as Value), milliseconds);
    return () => clearTimeout(timer);
  }, [key, milliseconds]);
  return late;
}

/** The next runs of a schedule that is thought about, and the schedule in words. */
export const useScheduleNext = (schedule: Document | null) =>
  useQuery({
    queryKey: ['schedule', schedule],
    enabled: schedule !== null,
    retry: false,
    placeholderData: keepPreviousData,
    queryFn: () => body(api.POST('/api/v1/schedule/next', { body: { schedule: (schedule ?? {}) as Free, count: 3 } })),
  });

/** What another policy would keep of a plan. */
export const useRetentionDraft = (plan: string | undefined, retention: Document | null) =>
  useQuery({
    queryKey: ['draft', plan, retention],
    enabled: plan !== undefined,
    retry: false,
    placeholderData: keepPreviousData,
    queryFn: () =>
      body(
        api.POST('/api/v1/plans/{name}/retention/draft', {
          params: { path: { name: plan ?? '' } },
          body: { retention: retention as Free | null },
        }),
      ),
  });

export const useDestinations = () =>
  useQuery({ queryKey: ['destinations'], staleTime: 30_000, queryFn: async () => (await body(api.GET('/api/v1/destinations'))).items });

export const useChannels = () =>
  useQuery({ queryKey: ['channels'], staleTime: 30_000, queryFn: async () => (await body(api.GET('/api/v1/channels'))).items });

/** Databases below the folders that may be named. */
export const useFound = (wanted: boolean) =>
  useQuery({ queryKey: ['look', 'databases'], enabled: wanted, staleTime: 60_000, retry: false, queryFn: () => body(api.GET('/api/v1/look/databases')) });

/** What lies at a path of the server. */
export const useLook = (path: string) =>
  useQuery({
    queryKey: ['look', path],
    enabled: path !== '',
    staleTime: 10_000,
    retry: false,
    placeholderData: keepPreviousData,
    queryFn: () => body(api.GET('/api/v1/look', { params: { query: { path } } })),
  });

/** Makes a plan. Changing one is in queries.ts. */
export function useMakePlan() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (given: { name: string; plan: Document }): Promise<Schemas['PlanView']> =>
      body(api.POST('/api/v1/plans', { body: { name: given.name, plan: given.plan as Free } })),
    onSuccess: () => {
      for (const key of ['plans', 'overview', 'destinations']) void client.invalidateQueries({ queryKey: [key] });
    },
  });
}

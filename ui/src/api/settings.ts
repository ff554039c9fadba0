// How the daemon is set, its people, tokens and what was done: asked and changed here. Not here: destinations and channels.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
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

// What is looked at inside a backup: folders, one file, rows of a table. Nothing here changes anything.
import { useQuery } from '@tanstack/react-query';
import { address, api, ask, body, problem, type Schemas } from './client';

export type FileItem = Schemas['FileView'];
/** Larger files are downloaded, not shown. */
export const SHOWN = 1 << 20;

/** A folder of a part, or what is found below it by name. */
export const useFiles = (id: string, part: string, path: string, search: string) =>
  useQuery({
    queryKey: ['files', id, part, path, search],
    staleTime: Infinity,
    retry: false,
    queryFn: () => body(api.GET('/api/v1/backups/{id}/files', { params: { path: { id }, query: { part, path, ...(search && { search }) } } })),
  });

/** Where one file is downloaded from, below the page's path. */
export const fileOf = (id: string, part: string, path: string): string =>
  `api/v1/backups/${encodeURIComponent(id)}/file?${new URLSearchParams({ part, ...(path && { path }) }).toString()}`;

/** The bytes of a file that is small enough to be shown. */
export const useBytes = (id: string, part: string, path: string, wanted: boolean) =>
  useQuery({
    queryKey: ['file', id, part, path],
    enabled: wanted,
    staleTime: Infinity,
    retry: false,
    queryFn: async () => {
      const answer = await ask(address(fileOf(id, part, path)));
      if (!answer.ok) throw await problem(answer);
      return new Uint8Array(await answer.arrayBuffer());
    },
  });

export const useRows = (id: string, part: string, table: string) =>
  useQuery({
    queryKey: ['rows', id, part, table],
    staleTime: Infinity,
    retry: false,
    queryFn: () => body(api.GET('/api/v1/backups/{id}/tables/{table}', { params: { path: { id, table }, query: { part, limit: 50 } } })),
  });

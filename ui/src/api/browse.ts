// What is looked at inside backups: folders, files, rows of a table, and names in many backups. Nothing here changes anything.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import type { BackupFilter } from './backups';
import { address, api, ask, body, problem, type Schemas } from './client';

export type FileItem = Schemas['FileView'];
/** Larger files are downloaded, not shown. */
export const SHOWN = 1 << 20;

/** The backups in which something has a name, from the newest on, as far as one question goes. */
export const useNamed = (name: string, filter: BackupFilter) =>
  useInfiniteQuery({
    queryKey: ['files', 'named', name, filter],
    staleTime: 60_000,
    retry: false,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      body(api.GET('/api/v1/files', { params: { query: { name, ...filter, ...(pageParam && { cursor: pageParam }) } }, signal })),
    getNextPageParam: (page) => page.next ?? undefined,
  });

/** A folder of a part with what has become of it since the backup before, or what is found below it by name. */
export const useFiles = (id: string, part: string, path: string, search: string) =>
  useQuery({
    queryKey: ['files', id, part, path, search],
    staleTime: Infinity,
    retry: false,
    queryFn: () => body(api.GET('/api/v1/backups/{id}/files', { params: { path: { id }, query: { part, path, ...(search ? { search } : { since_previous: true }) } } })),
  });

/** Where one file is downloaded from, below the page's path. */
export const fileOf = (id: string, part: string, path: string): string =>
  `api/v1/backups/${encodeURIComponent(id)}/file?${new URLSearchParams({ part, ...(path && { path }) }).toString()}`;

/** Where several files and folders are downloaded from as one ZIP. */
export const selectionOf = (id: string, part: string, paths: string[]): string =>
  `api/v1/backups/${encodeURIComponent(id)}/selection?${new URLSearchParams([['part', part], ...paths.map((path) => ['path', path])]).toString()}`;

/** Downloads an address as the browser's own download. */
export function download(path: string): void {
  const link = document.createElement('a');
  link.href = address(path);
  link.download = '';
  link.click();
}

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

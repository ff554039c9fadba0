// Where a backup is shown, looked into and restored from, apart from their pages so that a link does not load them.
export const backupPath = (id: string): string => `/backups/${encodeURIComponent(id)}`;
export const restorePath = (id: string): string => `/restore/${encodeURIComponent(id)}`;

/** A view of what is inside; what is empty is left out. */
export function filesPath(id: string, where: Record<string, string | undefined> = {}): string {
  const given = Object.entries(where).filter((pair): pair is [string, string] => Boolean(pair[1]));
  const query = new URLSearchParams(given).toString();
  return `${backupPath(id)}/files${query ? `?${query}` : ''}`;
}

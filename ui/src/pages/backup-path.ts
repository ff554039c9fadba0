// Where a backup is shown, looked into and restored from, apart from their pages so that a link does not load them.
export const backupPath = (id: string): string => `/backups/${encodeURIComponent(id)}`;
export const restorePath = (id: string): string => `/restore/${encodeURIComponent(id)}`;

/** What a restore calls a file of a tree; nothing for a name that is no text, which only goes with its whole part. */
export function selectorOf(part: string, path: string): string | undefined {
  try {
    // As it was listed: bytes that cannot be shown are written %XX, and so is what would read like that.
    return `${part}/${path.replace(/(?:%[0-9A-F]{2})+/gi, (bytes) => decodeURIComponent(bytes))}`;
  } catch {
    return undefined;
  }
}

/** A view of what is inside; what is empty is left out. */
export function filesPath(id: string, where: Record<string, string | undefined> = {}): string {
  const given = Object.entries(where).filter((pair): pair is [string, string] => Boolean(pair[1]));
  const query = new URLSearchParams(given).toString();
  return `${backupPath(id)}/files${query ? `?${query}` : ''}`;
}

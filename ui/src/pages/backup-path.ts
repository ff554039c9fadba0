// Where a backup is shown and where it is restored from, apart from their pages so that a link does not load them.
export const backupPath = (id: string): string => `/backups/${encodeURIComponent(id)}`;
export const restorePath = (id: string): string => `/restore/${encodeURIComponent(id)}`;

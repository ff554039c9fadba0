// What kind of part of a backup it is, in words.
import type { BackupDetail } from '../api/backups';
import { t } from '../words';

export type Part = BackupDetail['parts'][number];

const KINDS = ['database', 'directory', 'file', 'settings', 'command', 'application'] as const;

/** A kind that is newer than this page goes by its own word. */
export function kindOf(part: Part): string {
  const kind = KINDS.find((one) => one === part.kind);
  return kind ? t(`contents.kind.${kind}`) : part.kind;
}

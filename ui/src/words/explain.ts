// What an error code of a run means for a person: which explanation it has, and which button helps. Several codes of the
// server share one; a code that is not here is explained by the server's own sentence and hint. Not here: the texts.
import type { Key } from './en';

type Explanation =
  | 'disk_full' | 'source_missing' | 'permission' | 'db_busy' | 'db_corrupt' | 'archive_damaged' | 'not_a_backup'
  | 'newer_version' | 'dest_unreachable' | 'dest_auth' | 'hook_failed' | 'too_slow' | 'interrupted' | 'busy' | 'denied'
  | 'gone' | 'changed' | 'settings' | 'internal';
/** What may help: to do it again, to change the plan, or to look at what is there. */
type Help = 'again' | 'plan' | 'backups';

const CODES: Record<Explanation, { codes: string[]; help: Help[] }> = {
  disk_full: { codes: ['disk_full', 'protected_full'], help: ['again', 'plan'] },
  source_missing: { codes: ['source_missing', 'not_found', 'folder_missing', 'source_empty'], help: ['again', 'plan'] },
  permission: { codes: ['permission_denied', 'db_needs_write_access'], help: ['again'] },
  db_busy: { codes: ['db_in_use', 'database_in_use', 'db_in_use_restore', 'data_changing', 'source_replaced'], help: ['again'] },
  db_corrupt: { codes: ['source_corrupted', 'database_corrupted'], help: ['backups'] },
  archive_damaged: { codes: ['backup_corrupted', 'bad_copy', 'copy_differs', 'object_missing', 'part_missing'], help: ['backups'] },
  not_a_backup: { codes: ['bad_objects'], help: ['backups'] },
  newer_version: { codes: ['version_newer', 'catalog_newer', 'sqlite_too_old'], help: [] },
  dest_unreachable: {
    codes: ['destination_failing', 'connection_lost', 'timeout', 'destination_missing', 'bucket_missing', 'destination_refused'],
    help: ['again'],
  },
  dest_auth: {
    codes: ['destination_denied', 'needs_sign_in', 'sign_in_refused', 'sign_in_failed', 'service_account_refused', 'host_key_differs'],
    help: ['again'],
  },
  hook_failed: { codes: ['hook_failed', 'hook_timeout'], help: ['again', 'plan'] },
  too_slow: { codes: ['deadline'], help: ['again', 'plan'] },
  interrupted: { codes: ['interrupted', 'lease_lost', 'restore_taken_back', 'restore_waits'], help: ['again'] },
  busy: { codes: ['plan_running', 'already_running', 'retention_running', 'backup_in_use', 'backup_busy', 'queue_full', 'catalog_busy', 'audit_busy', 'mount_point'], help: ['again'] },
  denied: { codes: ['outside_roots', 'not_from_api', 'not_allowed', 'foreign_owner', 'foreign_link', 'plan_read_only', 'address_not_allowed'], help: ['plan'] },
  gone: { codes: ['plan_missing', 'backup_missing', 'preview_missing', 'table_not_found', 'nothing_to_restore', 'nothing_to_undo'], help: ['backups'] },
  changed: { codes: ['preview_stale', 'restore_refused', 'would_overwrite', 'schema_differs'], help: ['backups'] },
  settings: { codes: ['bad_plan', 'bad_text', 'bad_request', 'settings_not_json', 'settings_too_large', 'settings_empty', 'destination_unsupported'], help: ['plan'] },
  internal: { codes: ['panicked', 'failed', 'catalog_failed', 'stage_missing', 'journal_corrupted', 'bad_work'], help: ['again'] },
};

const BY_CODE = new Map(Object.entries(CODES).flatMap(([name, { codes }]) => codes.map((code) => [code, name as Explanation] as const)));

/** The explanation of a code: keys of its title and of what to do, and what may help. */
export function explain(code: string): { title: Key; advice: Key; help: Help[] } | undefined {
  const name = BY_CODE.get(code);
  return name && { title: `explain.${name}`, advice: `explain.${name}.do`, help: CODES[name].help };
}

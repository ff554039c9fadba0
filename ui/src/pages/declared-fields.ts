// Which fields each kind of destination and each kind of channel has, and how its document is made of them. Not here: how
// they are drawn (declared-form.tsx).
import type { Document } from '../api/plans';
import type { Key } from '../words';

type FieldKind = 'text' | 'secret' | 'number' | 'check' | 'lines' | 'events';
export type FieldSpec = { key: string; label: Key; help?: Key; kind?: FieldKind; needed?: true; example?: string };
export type KindSpec = { kind: string; label: Key; fields: FieldSpec[] };

export const DESTINATIONS: KindSpec[] = [
  {
    kind: 'directory',
    label: 'destinations.kind.directory',
    fields: [
      { key: 'path', label: 'field.path', help: 'field.path.help', needed: true, example: '/mnt/nas/backups' },
      { key: 'marker', label: 'field.marker', kind: 'check' },
    ],
  },
  {
    kind: 's3',
    label: 'destinations.kind.s3',
    fields: [
      { key: 'bucket', label: 'field.bucket', needed: true },
      { key: 'prefix', label: 'field.prefix' },
      { key: 'region', label: 'field.region', example: 'eu-central-1' },
      { key: 'endpoint', label: 'field.endpoint', help: 'field.endpoint.help', example: 'https://s3.example' },
      { key: 'path_style', label: 'field.path_style', kind: 'check' },
      { key: 'access_key', label: 'field.access_key', needed: true },
      { key: 'secret_key', label: 'field.secret_key', kind: 'secret', needed: true },
    ],
  },
  {
    kind: 'sftp',
    label: 'destinations.kind.sftp',
    fields: [
      { key: 'host', label: 'field.host', needed: true, example: 'backup.example.org' },
      { key: 'port', label: 'field.port', kind: 'number', example: '22' },
      { key: 'user', label: 'field.user', needed: true },
      { key: 'path', label: 'field.remote_path', needed: true, example: 'backups' },
      { key: 'host_key', label: 'field.host_key', help: 'field.host_key.help', needed: true, example: 'ssh-ed25519 AAAA…' },
      { key: 'password', label: 'field.password', kind: 'secret' },
      { key: 'key_file', label: 'field.key_file', help: 'field.key_file.help', example: '/etc/recoup/offsite.key' },
      { key: 'key_passphrase', label: 'field.key_passphrase', kind: 'secret' },
    ],
  },
  {
    kind: 'webdav',
    label: 'destinations.kind.webdav',
    fields: [
      { key: 'url', label: 'field.url', needed: true, example: 'https://cloud.example/remote.php/dav/files/me/backups' },
      { key: 'user', label: 'field.user', needed: true },
      { key: 'password', label: 'field.password', help: 'field.password.app', kind: 'secret', needed: true },
    ],
  },
  {
    kind: 'drive',
    label: 'destinations.kind.drive',
    fields: [
      { key: 'client_id', label: 'field.client_id', help: 'field.client_id.help', needed: true, example: '1234-abc.apps.googleusercontent.com' },
      { key: 'client_secret', label: 'field.client_secret', kind: 'secret', needed: true },
      { key: 'folder', label: 'field.folder', example: 'Recoup' },
    ],
  },
];

const TOLD: FieldSpec[] = [
  { key: 'on', label: 'field.on', kind: 'events' },
  { key: 'only_on_change', label: 'field.only_on_change', kind: 'check' },
];

export const CHANNELS: KindSpec[] = [
  { kind: 'ntfy', label: 'channels.kind.ntfy', fields: [{ key: 'ntfy', label: 'field.url', needed: true, example: 'https://ntfy.sh/topic' }, { key: 'token', label: 'field.token', kind: 'secret' }, ...TOLD] },
  {
    kind: 'email',
    label: 'channels.kind.email',
    fields: [
      { key: 'email', label: 'field.email', help: 'field.lines', kind: 'lines', needed: true, example: 'me@example.org' },
      { key: 'server', label: 'field.server', needed: true, example: 'mail.example.org' },
      { key: 'tls', label: 'field.tls', help: 'field.tls.help', example: 'starttls' },
      { key: 'from', label: 'field.from', example: 'Recoup <recoup@example.org>' },
      { key: 'user', label: 'field.user' },
      { key: 'password', label: 'field.password', kind: 'secret' },
      ...TOLD,
    ],
  },
  {
    kind: 'webhook',
    label: 'channels.kind.webhook',
    fields: [{ key: 'webhook', label: 'field.url', needed: true, kind: 'secret' }, { key: 'body', label: 'field.body', help: 'field.body.help' }, ...TOLD],
  },
  { kind: 'heartbeat', label: 'channels.kind.heartbeat', fields: [{ key: 'heartbeat', label: 'field.url', needed: true, kind: 'secret' }] },
  { kind: 'apprise', label: 'channels.kind.apprise', fields: [{ key: 'apprise', label: 'field.url', needed: true, example: 'http://apprise:8000/notify/KEY' }, { key: 'tag', label: 'field.tag' }, ...TOLD] },
];

export const EVENTS = ['start', 'success', 'warnings', 'failure', 'recovery', 'overdue', 'needs_sign_in', 'clock_anomaly'] as const;
export type Values = Record<string, string | boolean | string[]>;
/** What the server shows instead of a secret. */
export const SET = '(set)';

/** The kind of a declared thing. */
export function kindOf(kinds: KindSpec[], document: Document): string {
  if (kinds === DESTINATIONS) return typeof document.type === 'string' ? document.type : 'directory';
  return kinds.find(({ kind }) => document[kind] !== undefined || document[`${kind}_file`] !== undefined)?.kind ?? 'ntfy';
}

/** What is in the fields for a document. */
export function valuesOf(spec: KindSpec, document: Document): Values {
  return Object.fromEntries(
    spec.fields.map(({ key, kind }): [string, Values[string]] => {
      const value = document[key];
      if (kind === 'check') return [key, value === true];
      if (kind === 'events') return [key, Array.isArray(value) ? value.map(String) : []];
      if (kind === 'lines') return [key, Array.isArray(value) ? value.join('\n') : typeof value === 'string' ? value : ''];
      return [key, value === undefined || value === null || value === SET ? '' : String(value)];
    }),
  );
}

/** The document of the fields; of one that is there already only what changed, `null` for what was emptied. */
export function documentOf(spec: KindSpec, values: Values, before: Document | undefined, type: boolean): Document {
  const document: Document = type && !before && spec.kind !== 'directory' ? { type: spec.kind } : {};
  const old = before && valuesOf(spec, before);
  for (const { key, kind } of spec.fields) {
    const value = values[key];
    if (old && JSON.stringify(old[key]) === JSON.stringify(value)) continue;
    const empty = value === '' || value === undefined || value === false || (Array.isArray(value) && value.length === 0);
    if (empty) {
      // A secret that was left empty stays.
      if (before && kind !== 'secret') document[key] = null;
    } else if (kind === 'number') document[key] = Number(value);
    else if (kind === 'lines') document[key] = String(value).split('\n').map((line) => line.trim()).filter(Boolean);
    else document[key] = value;
  }
  return document;
}

// A plan as its editor holds it, from the document of recoup.toml and back. What the editor does not know (hooks, commands,
// exports) stays in the document untouched. Not here: how it is drawn.
import type { Document } from '../api/plans';

export const SOURCES = ['database', 'directory', 'file'] as const;
export type Kind = (typeof SOURCES)[number];
export type Source = { key: number; kind: Kind; path: string; exclude: string; optional: boolean; rest: Document };
export const EVERY = ['daily', 'weekly', 'monthly', 'rolling-weekly', 'rolling-monthly', 'cron'] as const;
export const NUMBERS = ['days', 'keep_count', 'minutely', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'min_keep'] as const;
export const PRESETS = { all: 'everything', days: '30-days', newest: 'last-7', grandfather: '7-4-12' } as const;
export const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;

export type Draft = {
  name: string;
  sources: Source[];
  environment: string;
  enabled: boolean;
  every: (typeof EVERY)[number];
  cron: string;
  at: string;
  zone: string;
  weekday: string;
  day: string;
  format: string;
  preset: keyof typeof PRESETS | 'own';
  numbers: Partial<Record<(typeof NUMBERS)[number], string>>;
  destinations: string[];
  /** Null: every channel. */
  notify: string[] | null;
  test_restore: string;
};

let last = 0;
export const newSource = (kind: Kind): Source => ({ key: ++last, kind, path: '', exclude: '', optional: false, rest: {} });

const text = (value: unknown, otherwise = ''): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : otherwise);
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map((item) => text(item)).filter(Boolean) : []);
const object = (value: unknown): Document => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Document) : {});

function sources(document: Document): Source[] {
  return SOURCES.flatMap((kind) => {
    const items = document[PLURAL[kind]];
    return (Array.isArray(items) ? items : []).map((item): Source => {
      if (typeof item === 'string') return { ...newSource(kind), path: item };
      const { path, exclude, optional, ...rest } = object(item);
      return { ...newSource(kind), path: text(path), exclude: texts(exclude).join('\n'), optional: optional === true, rest };
    });
  });
}

const PLURAL: Record<Kind, string> = { database: 'databases', directory: 'directories', file: 'files' };

/** What is in the fields for a document; for a new plan the usual things. */
export function draftOf(name: string, document: Document | undefined, zone: string): Draft {
  const schedule = object(document?.schedule);
  const every = text(schedule.every, 'daily');
  const known = EVERY.find((one) => one === every && one !== 'cron');
  const retention = object(document?.retention);
  const preset = (Object.keys(PRESETS) as (keyof typeof PRESETS)[]).find((key) => PRESETS[key] === retention.preset);
  const numbers = Object.fromEntries(NUMBERS.filter((key) => retention[key] !== undefined).map((key) => [key, text(retention[key])]));
  return {
    name,
    sources: document ? sources(document) : [newSource('database')],
    environment: texts(object(document?.settings).environment).join('\n'),
    enabled: document ? document.schedule !== undefined && document.enabled !== false : true,
    every: known ?? 'cron',
    cron: known ? '' : every,
    at: text(schedule.at, '03:00'),
    zone: text(schedule.zone, zone),
    weekday: text(schedule.weekday, 'sunday'),
    day: text(schedule.day, '1'),
    format: text(document?.format, 'archive'),
    preset: preset ?? (document ? (Object.keys(numbers).length > 0 ? 'own' : 'all') : 'grandfather'),
    numbers,
    destinations: texts(document?.destinations),
    notify: document?.notify === undefined ? null : texts(document.notify),
    test_restore: text(document?.test_restore, '7d'),
  };
}

const lines = (given: string) => given.split('\n').map((line) => line.trim()).filter(Boolean);

export function scheduleOf(draft: Draft): Document {
  const { every, at, zone } = draft;
  if (every === 'cron') return { every: draft.cron.trim(), zone };
  const day = draft.day === 'last' ? 'last' : Number(draft.day);
  return { every, at, zone, ...(every === 'weekly' && { weekday: draft.weekday }), ...(every === 'monthly' && { day }) };
}

/** The policy; null keeps everything. */
export function retentionOf(draft: Draft): Document | null {
  if (draft.preset === 'all') return null;
  const numbers = Object.entries(draft.numbers).filter(([, value]) => value.trim() !== '').map(([key, value]) => [key, Number(value)]);
  return { ...(draft.preset !== 'own' && { preset: PRESETS[draft.preset] }), ...Object.fromEntries(numbers) };
}

/** The document with what the fields say; keys that the editor does not know stay. */
export function documentOf(draft: Draft, before: Document | undefined): Document {
  const after: Document = { ...before };
  for (const kind of SOURCES) {
    const items = draft.sources.filter((source) => source.kind === kind && source.path.trim() !== '');
    const written = items.map((source) => {
      const exclude = lines(source.exclude);
      const more = { ...source.rest, ...(exclude.length > 0 && { exclude }), ...(source.optional && { optional: true }) };
      return Object.keys(more).length > 0 ? { path: source.path.trim(), ...more } : source.path.trim();
    });
    if (written.length > 0) after[PLURAL[kind]] = written;
    else delete after[PLURAL[kind]];
  }
  const environment = lines(draft.environment);
  const settings = { ...object(before?.settings), environment };
  if (environment.length > 0) after.settings = settings;
  else if (before?.settings !== undefined) {
    const { environment: _, ...rest } = settings;
    if (Object.keys(rest).length > 0) after.settings = rest;
    else delete after.settings;
  }
  // A schedule that is switched off is kept for when it is switched on again.
  if (draft.enabled || before?.schedule !== undefined) after.schedule = { ...kept(before?.schedule), ...scheduleOf(draft) };
  if (draft.enabled) delete after.enabled;
  else if (after.schedule !== undefined) after.enabled = false;
  if (draft.format !== 'archive' || before?.format !== undefined) after.format = draft.format;
  const retention = retentionOf(draft);
  if (retention) after.retention = { ...keptOf(before?.retention), ...retention };
  else if (before?.retention !== undefined) after.retention = { preset: 'everything' };
  after.destinations = draft.destinations;
  if (draft.notify) after.notify = draft.notify;
  else delete after.notify;
  if (draft.test_restore.trim() !== '' && (draft.test_restore !== '7d' || before?.test_restore !== undefined)) after.test_restore = draft.test_restore.trim();
  return after;
}

/** Keys of a schedule that have no field. */
function kept(schedule: unknown): Document {
  const { every: _e, at: _a, zone: _z, weekday: _w, day: _d, ...rest } = object(schedule);
  return rest;
}

/** Keys of a policy that have no field. */
function keptOf(retention: unknown): Document {
  return Object.fromEntries(Object.entries(object(retention)).filter(([key]) => key !== 'preset' && !NUMBERS.some((one) => one === key)));
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** The merge patch (RFC 7396) from one document to another; tables are named in full, so that no key is left over. */
export function patchOf(before: Document, after: Document): Document {
  const patch: Document = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (same(before[key], after[key])) continue;
    const [old, next] = [before[key], after[key]];
    if (next === undefined) patch[key] = null;
    else if (typeof next === 'object' && !Array.isArray(next) && next !== null) {
      patch[key] = { ...Object.fromEntries(Object.keys(object(old)).map((one) => [one, null])), ...(next as Document) };
    } else patch[key] = next;
  }
  return patch;
}

/** Keys in which two documents differ, for people. */
export const differing = (a: Document, b: Document): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => !same(a[key], b[key])).sort();

// What a run brought, by its kind: the backup and its copies, what was proven, what was put back, what went. The server
// keeps it as a document; its shape is written down here.
import { Link } from 'wouter';
import type { Run } from '../api/queries';
import { t, type Key } from '../words';
import { list, size } from '../words/format';
import { backupPath } from './backup-path';

type Warning = { code: string; text: string };
type RunResult = {
  backup?: string;
  bytes?: number;
  duration_ms?: number;
  reused?: boolean;
  verified?: 'checksum' | 'integrity' | 'restore' | null;
  destinations?: string[];
  failed?: { destination: string; error: { code: string; message: string; hint?: string | null } }[];
  warnings?: Warning[];
  restored?: { name: string; path: string }[];
  safety_backup?: string | null;
  results?: { id: string; destination: string; level: 'checksum' | 'integrity' | 'restore'; ok: boolean | null }[];
  retention?: { destination: string; deleted: unknown[]; freed_bytes?: number; paused?: string | null }[];
};

/** The result of a run; empty while there is none. */
export const resultOf = (run: Run): RunResult => (run.result ?? {}) as RunResult;

/** What there is to look at. */
export const warningsOf = (run: Run): Warning[] => resultOf(run).warnings ?? [];

export function Result({ run }: { run: Run }) {
  const result = resultOf(run);
  const removed = (result.retention ?? []).filter((one) => one.deleted.length > 0 || one.paused);
  const rows: [Key, React.ReactNode][] = [];
  if (result.bytes !== undefined) rows.push(['plan.size', size(result.bytes)]);
  if (result.destinations) rows.push(['run.copies_at', list(result.destinations) || t('word.none')]);
  if (result.verified) rows.push(['run.verified', t(`backup.level.${result.verified}`)]);
  if (result.results) {
    const told = result.results.map(({ destination, level, ok }) => {
      const word = ok === null ? t('word.unknown') : t(ok ? 'run.destination_ok' : 'run.destination_bad');
      return `${destination}: ${t(`backup.level.${level}`)}, ${word}`;
    });
    rows.push(['run.result', <Lines lines={told} />]);
  }
  if (result.restored) rows.push(['run.restored', <Lines lines={result.restored.map((one) => `${one.name} → ${one.path}`)} />]);
  if (result.safety_backup) rows.push(['run.safety', <Backup id={result.safety_backup} />]);
  if (removed.length > 0) {
    const told = removed.map((one) => `${one.destination}: ${one.paused ?? t('run.deleted', { n: one.deleted.length })}`);
    rows.push(['run.kind.prune', <Lines lines={told} />]);
  }
  if (result.backup) rows.push(['run.backup', <Backup id={result.backup} />]);
  return rows.map(([name, value]) => (
    <div key={name} className="contents">
      <dt>{t(name)}</dt>
      <dd>{value}</dd>
    </div>
  ));
}

function Backup({ id }: { id: string }) {
  return (
    <Link to={backupPath(id)} className="mono">
      {id}
    </Link>
  );
}

function Lines({ lines }: { lines: string[] }) {
  return (
    <ul>
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

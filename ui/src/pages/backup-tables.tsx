// The tables of a database in a backup with their rows, and how many there are more or fewer than in the backup before.
import { Link } from 'wouter';
import { useBackup, useBefore, type BackupDetail } from '../api/backups';
import { Table } from '../parts/table';
import { t } from '../words';
import { difference, list, number } from '../words/format';
import type { Part } from './backup-part';
import { filesPath } from './backup-path';

type Props = { part: Part; backup: BackupDetail; caption: string };

export function TablesOf({ part, backup, caption }: Props) {
  const before = useBefore(backup.plan, backup.created_at);
  const earlier = useBackup(before.data?.id);
  const same = earlier.data?.parts.find((one) => one.name === part.name && one.kind === part.kind && !one.absent);
  const was = same && new Map(same.tables.map((table) => [table.name, table.rows]));
  const gone = same?.tables.map((table) => table.name).filter((name) => !part.tables.some((table) => table.name === name)) ?? [];
  return (
    <>
      <Table
        caption={caption}
        rows={part.tables}
        id={(table) => table.name}
        columns={[
          {
            name: t('contents.table'),
            cell: (table) => (
              <Link to={filesPath(backup.id, { part: part.name, table: table.name })}>
                <bdi>{table.name}</bdi>
              </Link>
            ),
          },
          { name: t('contents.rows'), cell: (table) => (table.rows == null ? t('word.unknown') : number(table.rows)), end: true },
          ...(was ? [{ name: t('contents.since'), cell: (table: Part['tables'][number]) => <More rows={table.rows} was={was.has(table.name) ? was.get(table.name) : 'new'} />, end: true }] : []),
        ]}
      />
      {gone.length > 0 && <p className="small">{t('contents.tables_gone', { n: gone.length, names: list(gone) })}</p>}
    </>
  );
}

function More({ rows, was }: { rows: number | null | undefined; was: number | null | undefined | 'new' }) {
  if (was === 'new') return t('diff.new');
  if (rows == null || was == null) return t('word.unknown');
  return <span className={rows === was ? 'quiet' : undefined}>{difference(rows - was)}</span>;
}

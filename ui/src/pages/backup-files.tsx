// What is inside a backup, to look at and to take out: its parts, a trail into them, databases by their tables. Every view
// has an address. A folder: backup-folder.tsx. How a file or a table is shown: backup-file.tsx.
import { useRef } from 'react';
import { Link } from 'wouter';
import { useBackup, type BackupDetail } from '../api/backups';
import { fileOf } from '../api/browse';
import { BASE } from '../api/client';
import { useZone } from '../api/queries';
import { Icon } from '../parts/icon';
import { Empty, ErrorCard, Note, Skeleton } from '../parts/state';
import { Table } from '../parts/table';
import { useFilters } from '../shell/filters';
import { Page } from '../shell/page';
import { t } from '../words';
import { clock, size } from '../words/format';
import { FileView, RowsView } from './backup-file';
import { Folder } from './backup-folder';
import { kindOf, type Part } from './backup-part';
import { backupPath, filesPath } from './backup-path';
import { TablesOf } from './backup-tables';

type Where = { part?: string; path?: string; file?: string; table?: string };

export function BackupFiles({ id }: { id: string }) {
  const backup = useBackup(id);
  const zone = useZone();
  const { of } = useFilters();
  // Where keys led into a folder: what has the focus there.
  const arrived = useRef<string | undefined>(undefined);
  if (backup.data === undefined) {
    return <Page title={t('files.title')}>{backup.error ? <ErrorCard error={backup.error} retry={() => void backup.refetch()} /> : <Skeleton card lines={3} />}</Page>;
  }
  const known = backup.data;
  const when = clock(known.created_at, zone);
  const part = known.parts.find((one) => one.name === of('part') && !one.absent);
  const to = (where: Where) => filesPath(id, where);
  const [path, file, table] = [of('path'), of('file'), of('table')];
  const steps = path ? path.split('/') : [];
  const trail = [
    { name: t('files.parts'), to: to({}) },
    ...(part ? [{ name: part.name, to: to({ part: part.name }) }] : []),
    ...(part ? steps.map((name, at) => ({ name, to: to({ part: part.name, path: steps.slice(0, at + 1).join('/') }) })) : []),
    ...(part && file ? [{ name: file.split('/').at(-1) ?? file, to: to({ part: part.name, path, file }) }] : []),
    ...(part && table ? [{ name: table, to: to({ part: part.name, table }) }] : []),
  ];
  return (
    <Page
      title={part ? `${trail.at(-1)?.name ?? ''} – ${t('backup.title', { plan: known.plan, when })}` : t('files.of', { plan: known.plan, when })}
      answer={t('files.answer')}
      actions={
        <Link className="button" to={backupPath(id)}>
          <Icon name="back" />
          {t('files.back')}
        </Link>
      }
    >
      <nav aria-label={t('files.trail')} className="trail">
        <ol>
          {trail.map((step, at) => (
            <li key={step.to}>
              <Link to={step.to} aria-current={at === trail.length - 1 ? 'page' : undefined}>
                <bdi>{step.name}</bdi>
              </Link>
            </li>
          ))}
        </ol>
      </nav>
      {of('part') && !part && <Note look="warning">{t('files.no_part')}</Note>}
      {!part && <Parts parts={known.parts} to={to} />}
      {part && isTree(part) && !file && <Folder key={path} id={id} part={part.name} path={path} search={of('q')} to={to} arrived={arrived} />}
      {part && isTree(part) && file && <FileView id={id} part={part.name} path={file} />}
      {part?.kind === 'database' && (table ? <RowsView id={id} part={part.name} table={table} /> : <Tables part={part} backup={known} />)}
      {part && part.kind !== 'database' && !isTree(part) && <FileView id={id} part={part.name} path="" name={part.origin ?? part.name} bytes={part.bytes} />}
    </Page>
  );
}

const isTree = (part: Part) => part.kind === 'directory' || part.kind === 'application';
export type To = (where: Where) => string;

function Parts({ parts, to }: { parts: Part[]; to: To }) {
  return (
    <section className="card">
      <Table
        caption={t('files.parts')}
        rows={parts.filter((part) => !part.absent)}
        id={(part) => `${part.kind} ${part.name}`}
        columns={[
          {
            name: t('files.name'),
            cell: (part) => (
              <Link to={to({ part: part.name })}>
                <bdi>{part.name}</bdi>
              </Link>
            ),
          },
          { name: t('files.kind'), cell: (part) => kindOf(part) },
          { name: t('files.from'), cell: (part) => <bdi className="mono small">{part.origin ?? ''}</bdi> },
          { name: t('plan.size'), cell: (part) => <span className="nowrap">{size(part.bytes)}</span>, end: true },
        ]}
      />
    </section>
  );
}

function Tables({ part, backup }: { part: Part; backup: BackupDetail }) {
  return (
    <section className="card">
      <div className="buttons">
        <a className="button" href={BASE + fileOf(backup.id, part.name, '')} download>
          <Icon name="download" />
          {t('files.download_database')}
        </a>
      </div>
      {part.tables.length === 0 ? <Empty>{t('files.no_tables')}</Empty> : <TablesOf part={part} backup={backup} caption={t('files.of_folder', { name: part.name })} />}
    </section>
  );
}

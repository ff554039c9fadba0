// What is inside a backup, to look at and to take out one file: its parts, folders by a trail and by search, databases by
// their tables. Every view has an address. How a file or a table is shown: backup-file.tsx.
import { useState } from 'react';
import { Link } from 'wouter';
import { useBackup } from '../api/backups';
import { fileOf, useFiles, type FileItem } from '../api/browse';
import { BASE } from '../api/client';
import { useLater } from '../api/plans';
import { useZone } from '../api/queries';
import { TextField } from '../parts/field';
import { Icon } from '../parts/icon';
import { Answer, Empty, ErrorCard, Note, Skeleton } from '../parts/state';
import { Table } from '../parts/table';
import { Time } from '../parts/time';
import { useFilters } from '../shell/filters';
import { Page } from '../shell/page';
import { t } from '../words';
import { clock, number, size } from '../words/format';
import { FileView, RowsView } from './backup-file';
import { kindOf, type Part } from './backup-part';
import { backupPath, filesPath } from './backup-path';

type Where = { part?: string; path?: string; file?: string; table?: string };

export function BackupFiles({ id }: { id: string }) {
  const backup = useBackup(id);
  const zone = useZone();
  const { of } = useFilters();
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
      {part && isTree(part) && !file && <Folder key={path} id={id} part={part.name} path={path} to={to} />}
      {part && isTree(part) && file && <FileView id={id} part={part.name} path={file} />}
      {part?.kind === 'database' && (table ? <RowsView id={id} part={part.name} table={table} /> : <Tables part={part} id={id} to={to} />)}
      {part && part.kind !== 'database' && !isTree(part) && <FileView id={id} part={part.name} path="" name={part.origin ?? part.name} bytes={part.bytes} />}
    </Page>
  );
}

const isTree = (part: Part) => part.kind === 'directory' || part.kind === 'application';
type To = (where: Where) => string;

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

function Folder({ id, part, path, to }: { id: string; part: string; path: string; to: To }) {
  const [text, write] = useState('');
  const search = useLater(text.trim(), 250);
  const found = useFiles(id, part, path, search);
  return (
    <section className="card">
      <TextField label={t('files.search')} type="search" value={text} onChange={(event) => write(event.target.value)} />
      <Answer of={found} lines={6}>
        {({ items, more }) =>
          items.length === 0 ? (
            <Empty>{t(search ? 'files.no_match' : 'files.empty')}</Empty>
          ) : (
            <>
              <Table
                caption={t('files.of_folder', { name: path || part })}
                rows={items}
                id={(item) => item.path}
                columns={[
                  { name: t('files.name'), cell: (item) => <Name item={item} part={part} path={path} to={to} /> },
                  { name: t('plan.size'), cell: (item) => <span className="nowrap">{sizeOf(item)}</span>, end: true },
                  { name: t('files.changed'), cell: (item) => item.modified && <Time at={item.modified} exact />, end: true },
                ]}
                act={(item) =>
                  item.kind === 'file' && (
                    <a className="button plain icon" href={BASE + fileOf(id, part, item.path)} download aria-label={t('files.download', { name: item.name })}>
                      <Icon name="download" />
                    </a>
                  )
                }
                actName={t('backup.download')}
              />
              {more && <Note>{t('files.more', { n: items.length })}</Note>}
            </>
          )
        }
      </Answer>
    </section>
  );
}

function Name({ item, part, path, to }: { item: FileItem; part: string; path: string; to: To }) {
  if (item.kind === 'link') {
    return (
      <span>
        <bdi>{item.name}</bdi> <span className="quiet small">→ <bdi>{item.target}</bdi></span>
      </span>
    );
  }
  const folder = item.kind === 'directory';
  return (
    <Link className="row" to={to(folder ? { part, path: item.path } : { part, path, file: item.path })}>
      <Icon name={folder ? 'folder' : 'file'} />
      <bdi>{folder ? `${item.name}/` : item.name}</bdi>
    </Link>
  );
}

const sizeOf = (item: FileItem): string => (item.kind === 'link' ? '' : item.kind === 'directory' ? `${t('contents.files', { n: item.files })}, ${size(item.bytes)}` : size(item.bytes));

function Tables({ part, id, to }: { part: Part; id: string; to: To }) {
  return (
    <section className="card">
      <div className="buttons">
        <a className="button" href={BASE + fileOf(id, part.name, '')} download>
          <Icon name="download" />
          {t('files.download_database')}
        </a>
      </div>
      {part.tables.length === 0 ? (
        <Empty>{t('files.no_tables')}</Empty>
      ) : (
        <Table
          caption={t('files.of_folder', { name: part.name })}
          rows={part.tables}
          id={(table) => table.name}
          columns={[
            {
              name: t('contents.table'),
              cell: (table) => (
                <Link to={to({ part: part.name, table: table.name })}>
                  <bdi>{table.name}</bdi>
                </Link>
              ),
            },
            { name: t('contents.rows'), cell: (table) => (table.rows == null ? t('word.unknown') : number(table.rows)), end: true },
          ]}
        />
      )}
    </section>
  );
}

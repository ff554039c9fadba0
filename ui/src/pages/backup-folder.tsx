// One folder in a backup: what lies in it with what has become of it since the backup before, a search below it, and what
// is done with several things at once. Arrows move in the list, space ticks, Enter opens, Backspace goes up.
import { useEffect, useRef, useState, type KeyboardEvent, type RefObject } from 'react';
import { Link, useLocation } from 'wouter';
import { download, fileOf, selectionOf, useFiles, type FileItem } from '../api/browse';
import { BASE } from '../api/client';
import { useLater } from '../api/plans';
import { useMay } from '../api/queries';
import { ChosenBar, type ChosenAct } from '../parts/chosen';
import { TextField } from '../parts/field';
import { Icon, type IconName } from '../parts/icon';
import { Pill, type Look } from '../parts/pill';
import { Answer, Empty, Note } from '../parts/state';
import { Table } from '../parts/table';
import { Text } from '../parts/text';
import { Time } from '../parts/time';
import { t } from '../words';
import { size } from '../words/format';
import type { To } from './backup-files';
import { backupPath, filesPath, restorePath, selectorOf } from './backup-path';

/** Longer addresses do not pass through every proxy. */
const LONGEST = 6_000;

type Props = { id: string; part: string; path: string; search: string; to: To; arrived: RefObject<string | undefined> };

export function Folder({ id, part, path, search: given, to, arrived }: Props) {
  const [text, write] = useState(given);
  const search = useLater(text.trim(), 250);
  const found = useFiles(id, part, path, search);
  const may = useMay();
  const [ids, choose] = useState<ReadonlySet<string>>(new Set());
  const [, go] = useLocation();
  const list = useRef<HTMLDivElement>(null);
  const above = path.split('/').slice(0, -1).join('/');
  const ready = found.data !== undefined;

  useEffect(() => {
    if (!ready || arrived.current === undefined) return;
    const rows = rowsOf(list.current);
    const from = arrived.current;
    arrived.current = undefined;
    (rows.find((row) => row.textContent.trim() === `${from}/`) ?? rows[0])?.focus();
  }, [ready, arrived]);

  const press = (event: KeyboardEvent<HTMLElement>) => {
    const { target, key } = event;
    if (!(target instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const typing = target.matches('input:not([type=checkbox])');
    const rows = rowsOf(list.current);
    const row = target.closest('tbody tr');
    const at = rows.findIndex((one) => one.closest('tr') === row);
    const step = { ArrowDown: at + 1, ArrowUp: Math.max(at - 1, 0), Home: 0, End: rows.length - 1 }[key];
    if (step !== undefined && !(typing && key !== 'ArrowDown')) {
      rows[Math.min(step, rows.length - 1)]?.focus();
    } else if (typing) {
      return;
    } else if (key === 'Backspace') {
      if (!path) return;
      arrived.current = path.split('/').at(-1);
      go(to({ part, path: above }));
    } else if (key === ' ' && row && target.matches('th a')) {
      row.querySelector<HTMLElement>('th input')?.click();
    } else if (key === 'Enter' && row && target.matches('th a, th input')) {
      arrived.current = '';
      row.querySelector<HTMLElement>('th a')?.click();
    } else return;
    event.preventDefault();
  };

  return (
    <section className="card" onKeyDown={press}>
      <TextField label={t('files.search')} type="search" value={text} onChange={(event) => write(event.target.value)} />
      <Answer of={found} lines={6}>
        {({ items, more, since_previous: before }) => {
          // What is not shown any more is not chosen.
          const chosen = items.filter((item) => ids.has(keyOf(item)));
          return items.length === 0 ? (
            <Empty>{t(search ? 'files.no_match' : 'files.empty')}</Empty>
          ) : (
            <div ref={list} className="stack">
              <Table
                caption={t('files.of_folder', { name: path || part })}
                rows={items}
                id={keyOf}
                columns={[
                  { name: t('files.name'), cell: (item) => <Name item={item} part={part} path={path} to={to} before={before?.backup} /> },
                  ...(items.some((item) => item.since) ? [{ name: t('files.since'), cell: (item: FileItem) => item.since && <Since since={item.since} /> }] : []),
                  { name: t('plan.size'), cell: (item) => <span className="nowrap">{sizeOf(item)}</span>, end: true },
                  { name: t('files.changed'), cell: (item) => item.modified && <span className="nowrap"><Time at={item.modified} exact /></span>, end: true },
                ]}
                act={(item) =>
                  item.kind === 'file' &&
                  item.since !== 'gone' && (
                    <a className="button plain icon" href={BASE + fileOf(id, part, item.path)} download aria-label={t('files.download', { name: item.name })}>
                      <Icon name="download" />
                    </a>
                  )
                }
                actName={t('backup.download')}
                chosen={{ ids, choose, name: (item) => item.name, can: (item) => item.kind !== 'link' && item.since !== 'gone' }}
              />
              {more && <Note>{t('files.more', { n: items.length })}</Note>}
              {before && (
                <p className="small quiet">
                  <Text k={before.not_compared ? 'files.not_compared' : 'files.compared'} values={{ why: before.not_compared ?? '' }} parts={{ when: <Link to={backupPath(before.backup)}><Time at={before.created_at} exact /></Link> }} />
                </p>
              )}
              {chosen.length > 0 && <Bar id={id} part={part} items={chosen} change={may.change} onNone={() => choose(new Set())} />}
            </div>
          );
        }}
      </Answer>
    </section>
  );
}

/** Where the focus goes in each row: its link, else its box. */
const rowsOf = (list: HTMLElement | null): HTMLElement[] =>
  [...(list?.querySelectorAll('tbody tr') ?? [])].map((row) => row.querySelector<HTMLElement>('th a, th input')).filter((one) => one !== null);

/** What is gone may have left its name to something else. */
const keyOf = (item: FileItem): string => `${item.since === 'gone' ? 'gone' : item.kind} ${item.path}`;

function Bar({ id, part, items, change, onNone }: { id: string; part: string; items: FileItem[]; change: boolean; onNone: () => void }) {
  const [, go] = useLocation();
  const [only] = items;
  const from = items.length === 1 && only?.kind === 'file' ? fileOf(id, part, only.path) : selectionOf(id, part, items.map((item) => item.path));
  const names = items.map((item) => (item.kind === 'file' ? selectorOf(part, item.path) : undefined)).filter((name) => name !== undefined);
  const restore = `${restorePath(id)}?${new URLSearchParams(names.map((name) => ['only', name])).toString()}`;
  const tooLong = Math.max(from.length, restore.length) > LONGEST;
  const acts: ChosenAct[] = tooLong
    ? []
    : [
        { label: t('backup.download'), icon: 'download', act: () => download(from) },
        ...(change && names.length === items.length ? [{ label: t('backup.restore'), icon: 'restore' as const, act: () => go(restore) }] : []),
      ];
  const folders = items.some((item) => item.kind === 'directory');
  const why = tooLong ? 'files.too_many' : change && folders ? 'files.no_folder' : change && names.length < items.length ? 'files.no_name' : undefined;
  const bytes = items.reduce((sum, item) => sum + item.bytes, 0);
  return (
    <ChosenBar label={t('files.chosen')} count={t('files.chosen.count', { n: items.length, size: size(bytes) })} acts={acts} onNone={onNone}>
      {why && <p className="small">{t(why)}</p>}
      {folders && <p className="small quiet">{t('files.no_links')}</p>}
    </ChosenBar>
  );
}

const SINCE: Record<NonNullable<FileItem['since']>, [Look, IconName]> = { new: ['good', 'plus'], changed: ['warning', 'restore'], gone: ['plain', 'skip'] };

function Since({ since }: { since: NonNullable<FileItem['since']> }) {
  const [look, icon] = SINCE[since];
  return (
    <Pill look={look} icon={icon}>
      {t(`diff.${since}`)}
    </Pill>
  );
}

function Name({ item, part, path, to, before }: { item: FileItem; part: string; path: string; to: To; before: string | undefined }) {
  const folder = item.kind === 'directory';
  const name = folder ? `${item.name}/` : item.name;
  if (item.since === 'gone') {
    const there = folder ? { part, path: item.path } : item.kind === 'file' ? { part, path, file: item.path } : { part, path };
    return (
      <span>
        <s className="quiet">
          <bdi>{name}</bdi>
        </s>{' '}
        {before && (
          <Link className="small" to={filesPath(before, there)}>
            {t('files.before')}
            <span className="hidden">: {item.name}</span>
          </Link>
        )}
      </span>
    );
  }
  if (item.kind === 'link') {
    return (
      <span>
        <bdi>{name}</bdi> <span className="quiet small">→ <bdi>{item.target}</bdi></span>
      </span>
    );
  }
  return (
    <Link className="row" to={to(folder ? { part, path: item.path } : { part, path, file: item.path })}>
      <Icon name={folder ? 'folder' : 'file'} />
      <bdi>{name}</bdi>
    </Link>
  );
}

const sizeOf = (item: FileItem): string => (item.kind === 'link' ? '' : item.kind === 'directory' ? `${t('contents.files', { n: item.files })}, ${size(item.bytes)}` : size(item.bytes));

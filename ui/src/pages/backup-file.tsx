// One file of a backup as it can be shown without trusting it: text as text, pictures as pictures, everything else as a
// download; and the first rows of a table, in which the server has hidden what looks like a secret.
import { useMemo } from 'react';
import { fileOf, SHOWN, useBytes, useFiles, useRows } from '../api/browse';
import { BASE, type Schemas } from '../api/client';
import { Icon } from '../parts/icon';
import { Answer, Note } from '../parts/state';
import { t } from '../words';
import { number, size } from '../words/format';

/** What a browser shows by itself and cannot run. */
const PICTURES: Record<string, string> = { png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp', avif: 'image/avif', bmp: 'image/bmp', ico: 'image/x-icon' };

/** A file of a tree, or a part that is one (with its name and length). */
export function FileView({ id, part, path, name, bytes }: { id: string; part: string; path: string; name?: string; bytes?: number }) {
  const above = path.split('/').slice(0, -1).join('/');
  const own = path.split('/').at(-1) ?? '';
  const listed = useFiles(id, part, above, path ? own : '');
  if (!path) return <Shown id={id} part={part} path="" name={name ?? part} bytes={bytes ?? 0} />;
  return (
    <Answer of={listed} card lines={4}>
      {({ items }) => {
        const item = items.find((one) => one.path === path);
        return item ? <Shown id={id} part={part} path={path} name={own} bytes={item.bytes} /> : <Note look="warning">{t('files.gone')}</Note>;
      }}
    </Answer>
  );
}

function Shown({ id, part, path, name, bytes }: { id: string; part: string; path: string; name: string; bytes: number }) {
  const small = bytes <= SHOWN;
  const content = useBytes(id, part, path, small);
  const short = name.split('/').at(-1) ?? name;
  return (
    <section className="card">
      <div className="spread">
        <h2>
          <bdi>{short}</bdi>
        </h2>
        <a className="button" href={BASE + fileOf(id, part, path)} download>
          <Icon name="download" />
          {t('backup.download')} ({size(bytes)})
        </a>
      </div>
      {small ? <Answer of={content}>{(known) => <Content name={short} bytes={known} />}</Answer> : <p>{t('files.too_large', { limit: size(SHOWN) })}</p>}
    </section>
  );
}

function Content({ name, bytes }: { name: string; bytes: Uint8Array<ArrayBuffer> }) {
  const kind = PICTURES[name.split('.').at(-1)?.toLowerCase() ?? ''];
  const text = useMemo(() => (kind ? undefined : textOf(bytes)), [kind, bytes]);
  const picture = useMemo(() => (kind ? `data:${kind};base64,${base64(bytes)}` : ''), [kind, bytes]);
  if (bytes.length === 0) return <p className="quiet">{t('files.empty_file')}</p>;
  if (kind) return <img className="picture" src={picture} alt={t('files.picture', { name })} />;
  if (text === undefined) return <p>{t('files.no_text')}</p>;
  return (
    <pre className="log" tabIndex={0} role="region" aria-label={name}>
      {text}
    </pre>
  );
}

/** The text of a file that is UTF-8 and holds no NUL; JSON on one line gets lines. */
function textOf(bytes: Uint8Array<ArrayBuffer>): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return /^\s*[[{]/.test(text) && !text.trim().includes('\n') ? pretty(text) : text;
  } catch {
    return undefined;
  }
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** A piece at a time: a call takes only so many arguments. */
function base64(bytes: Uint8Array<ArrayBuffer>): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

export function RowsView({ id, part, table }: { id: string; part: string; table: string }) {
  const rows = useRows(id, part, table);
  return (
    <section className="card">
      <h2>
        <bdi>{table}</bdi>
      </h2>
      <Answer of={rows} lines={6}>
        {(known) => (
          <>
            <p className="small quiet">{t(known.more ? 'files.first_rows' : 'files.all_rows', { n: known.rows.length })}</p>
            <div className="scrolls sideways" tabIndex={0} role="region" aria-label={t('files.rows_of', { name: table })}>
              <table className="rows">
                <caption className="hidden">{t('files.rows_of', { name: table })}</caption>
                <thead>
                  <tr>
                    {known.columns.map((column) => (
                      <th key={column} scope="col">
                        <bdi>{column}</bdi>
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {known.rows.map((row, at) => (
                    <tr key={at}>
                      {row.map((cell, column) => (
                        <td key={column} className={cell.kind === 'number' ? 'end' : undefined}>
                          <Cell cell={cell} />
                        </td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </>
        )}
      </Answer>
    </section>
  );
}

function Cell({ cell }: { cell: Schemas['CellView'] }) {
  switch (cell.kind) {
    case 'null':
      return <span className="quiet">NULL</span>;
    case 'hidden':
      return (
        <span className="row quiet">
          <Icon name="lock" />
          {t('files.hidden')}
        </span>
      );
    case 'blob':
      return <span className="quiet">{t('files.blob', { n: number(cell.bytes ?? 0) })}</span>;
    default:
      return <bdi>{cell.text}</bdi>;
  }
}

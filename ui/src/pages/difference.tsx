// What differs between two sides, as three counters and then table by table and file by file. The same picture serves the
// preview of a restore (come back, change, are lost) and a comparison (new, changed, gone).
import type { Difference, TableChange } from '../api/backups';
import { Icon, type IconName } from '../parts/icon';
import { t, type Key } from '../words';
import { list, number } from '../words/format';

type Side = 'added' | 'changed' | 'removed';
type Mode = 'restore' | 'since';
const SIDES: Side[] = ['added', 'changed', 'removed'];
const NAMES: Record<Mode, Record<Side, Key>> = {
  restore: { added: 'diff.back', changed: 'diff.change', removed: 'diff.lost' },
  since: { added: 'diff.new', changed: 'diff.changed', removed: 'diff.gone' },
};
const ICONS: Record<Side, IconName> = { added: 'plus', changed: 'restore', removed: 'skip' };

/** How many rows and files there are of each side. */
function totals(difference: Difference): Record<Side, { rows: number; files: number }> {
  const tables = difference.databases.flatMap((database) => database.tables);
  const sum = (items: Record<Side, number>[], side: Side) => items.reduce((all, item) => all + item[side], 0);
  const of = (side: Side) => ({ rows: sum(tables, side), files: sum(difference.directories, side) });
  return { added: of('added'), changed: of('changed'), removed: of('removed') };
}

export function DifferenceView({ difference, mode }: { difference: Difference; mode: Mode }) {
  const all = totals(difference);
  const databases = difference.databases.filter((one) => one.tables.length > 0 || one.schema.length > 0);
  const directories = difference.directories.filter((one) => one.added + one.changed + one.removed > 0);
  if (databases.length + directories.length === 0) return <p>{t('diff.same')}</p>;
  return (
    <div className="stack">
      <ul className="counters">
        {SIDES.map((side) => (
          <li key={side} className={mode === 'restore' && side === 'removed' && all.removed.rows + all.removed.files > 0 ? 'bad' : undefined}>
            <Icon name={ICONS[side]} />
            <strong>{amount(all[side])}</strong>
            <span>{t(NAMES[mode][side])}</span>
          </li>
        ))}
      </ul>
      {databases.map((database) => (
        <section key={database.name} className="stack tight">
          <h3>{t('diff.database', { name: database.name })}</h3>
          {database.schema.length > 0 && (
            <p className="quiet">
              {t('diff.schema')}: <span className="mono">{database.schema.join(', ')}</span>
            </p>
          )}
          {database.tables.map((table) => (
            <TableDifference key={table.name} table={table} mode={mode} />
          ))}
        </section>
      ))}
      {directories.map((directory) => (
        <section key={directory.name} className="stack tight">
          <h3>{t('diff.folder', { name: directory.name })}</h3>
          <details className="fold">
            <summary>
              <span>{SIDES.filter((side) => directory[side] > 0).map((side) => `${t(NAMES[mode][side])}: ${t('diff.files', { n: directory[side] })}`).join(' · ')}</span>
            </summary>
            <p className="small quiet">{t('diff.files.some')}</p>
            <ul className="mono names">
              {directory.examples.map((example) => (
                <li key={example}>
                  <Icon name={ICONS[sideOf(example)]} />
                  <span>
                    <span className="hidden">{t(NAMES[mode][sideOf(example)])}: </span>
                    <bdi>{example.slice(2)}</bdi>
                  </span>
                </li>
              ))}
            </ul>
          </details>
        </section>
      ))}
    </div>
  );
}

const sideOf = (example: string): Side => (example.startsWith('+') ? 'added' : example.startsWith('-') ? 'removed' : 'changed');

function amount({ rows, files }: { rows: number; files: number }): string {
  const told = [rows > 0 && t('diff.rows', { n: rows }), files > 0 && t('diff.files', { n: files })].filter((part) => part !== false);
  return told.length > 0 ? list(told) : t('diff.nothing');
}

function TableDifference({ table, mode }: { table: TableChange; mode: Mode }) {
  return (
    <details className="fold">
      <summary>
        <strong>{table.name}</strong>
        <span>{SIDES.filter((side) => table[side] > 0).map((side) => `${t(NAMES[mode][side])}: ${number(table[side])}`).join(' · ')}</span>
      </summary>
      <dl className="facts">
        {SIDES.filter((side) => table[side] > 0).map((side) => {
          // A table without a key has none to tell.
          const keys = table.keys?.[side] ?? [];
          const rest = table[side] - keys.length;
          return (
            <div key={side} className="contents">
              <dt>{t(NAMES[mode][side])}</dt>
              <dd>
                {keys.length > 0 && (
                  <>
                    <span className="hidden">{t('diff.keys')}: </span>
                    <span className="mono">{keys.map(word).join(', ')}</span>{' '}
                  </>
                )}
                {rest > 0 && t(keys.length > 0 ? 'diff.more' : 'diff.rows', { n: rest })}
              </dd>
            </div>
          );
        })}
      </dl>
    </details>
  );
}

const word = (key: unknown): string => (typeof key === 'string' ? key : JSON.stringify(key));

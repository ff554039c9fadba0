// A table that becomes a list of cards on a narrow page: the first column is the card's title, a menu sits in the title
// line. Rows are told apart by an id, so the same thing twice in a feed is one row.
import type { ReactNode } from 'react';
import { t } from '../words';

/** Rows that are chosen, by id. */
export type Chosen = { ids: ReadonlySet<string>; choose: (ids: ReadonlySet<string>) => void };

type Column<Row> = {
  /** Its heading, and its name on a card. */
  name: string;
  cell: (row: Row) => ReactNode;
  /** To the end of the line, for numbers. */
  end?: boolean;
};
type Props<Row> = {
  caption: string;
  rows: Row[];
  id: (row: Row) => string;
  /** The first one is the title of a row. */
  columns: Column<Row>[];
  /** A menu or button for a row. */
  act?: (row: Row) => ReactNode;
  /** Names the column of `act`. */
  actName?: string;
  /** `act` has words: on a card it is the last line, not beside the title. */
  actWords?: boolean;
  /** Rows can be chosen, where `can` says so; `name` tells one to those who listen. */
  chosen?: Chosen & { name: (row: Row) => string; can?: (row: Row) => boolean };
};

export function Table<Row>({ caption, rows, id, columns, act, actName, actWords = false, chosen }: Props<Row>) {
  const known = new Map(rows.map((row) => [id(row), row]));
  const can = (row: Row) => chosen?.can?.(row) ?? true;
  const choosable = [...known].filter(([, row]) => can(row)).map(([key]) => key);
  const [title, ...others] = columns;
  if (!title) return null;
  return (
    <table className="table">
      <caption className="hidden">{caption}</caption>
      <thead>
        <tr>
          {columns.map((column) => (
            <th key={column.name} scope="col" className={column.end ? 'end' : undefined}>
              {chosen && column === title ? (
                <label className="pick">
                  <input
                    type="checkbox"
                    checked={choosable.length > 0 && choosable.every((key) => chosen.ids.has(key))}
                    onChange={(event) => chosen.choose(new Set(event.target.checked ? choosable : []))}
                  />
                  <span className="hidden">{t('table.choose_all')}</span>
                  {column.name}
                </label>
              ) : (
                column.name
              )}
            </th>
          ))}
          {act && (
            <th scope="col">
              <span className="hidden">{actName}</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {[...known].map(([key, row]) => (
          <tr key={key}>
            <th scope="row">
              {chosen ? (
                <span className="pick">
                  <label>
                    {can(row) && (
                      <>
                        <input type="checkbox" checked={chosen.ids.has(key)} onChange={() => chosen.choose(without(chosen.ids, key))} />
                        <span className="hidden">{t('table.choose', { name: chosen.name(row) })}</span>
                      </>
                    )}
                  </label>
                  {title.cell(row)}
                </span>
              ) : (
                title.cell(row)
              )}
            </th>
            {others.map((column) => (
              <td key={column.name} data-name={column.name} className={column.end ? 'end' : undefined}>
                <div>{column.cell(row)}</div>
              </td>
            ))}
            {act && <td className={actWords ? 'act words' : 'act'}>{act(row)}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The same without one, or with it when it was not there. */
const without = (ids: ReadonlySet<string>, key: string) => new Set(ids.has(key) ? [...ids].filter((one) => one !== key) : [...ids, key]);

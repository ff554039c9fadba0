// A table that becomes a list of cards on a narrow page: the first column is the card's title, a menu sits in the title
// line. Rows are told apart by an id, so the same thing twice in a feed is one row. Columns can put the rows in order: by a
// press on their heading, on a narrow page, which has no headings, by a choice above the cards.
import type { ChangeEvent, ReactNode } from 'react';
import { t } from '../words';
import { Check, Select } from './field';
import { Icon } from './icon';

/** Rows that are chosen, by id. */
export type Chosen = { ids: ReadonlySet<string>; choose: (ids: ReadonlySet<string>) => void };

type Column<Row> = {
  /** Its heading, and its name on a card. */
  name: string;
  cell: (row: Row) => ReactNode;
  /** To the end of the line, for numbers. */
  end?: boolean;
  /** Rows can be put in its order: its word in `Sorting`, and what is compared; a row without it comes last. */
  sort?: { by: string; of: (row: Row) => string | number | undefined };
};

/** `by` is the word of a column, after a `-` the other way round; without one rows stay in the order that `none` tells. */
type Sorting = { by: string; set: (by: string) => void; none: string };
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
  /** How rows are put in order, where columns have `sort`. */
  sorting?: Sorting;
};

export function Table<Row>({ caption, rows, id, columns, act, actName, actWords = false, chosen, sorting }: Props<Row>) {
  const known = new Map((sorting ? inOrder(rows, columns, sorting.by) : rows).map((row) => [id(row), row]));
  const [title, ...others] = columns;
  if (!title) return null;
  const can = (row: Row) => chosen?.can?.(row) ?? true;
  const choosable = [...known].filter(([, row]) => can(row)).map(([key]) => key);
  const all = chosen && {
    checked: choosable.length > 0 && choosable.every((key) => chosen.ids.has(key)),
    onChange: (event: ChangeEvent<HTMLInputElement>) => chosen.choose(new Set(event.target.checked ? choosable : [])),
  };
  return (
    <>
      {(all || sorting) && (
        <div className="above">
          {sorting && <Order columns={columns} sorting={sorting} />}
          {all && <Check label={t('table.choose_all')} {...all} />}
        </div>
      )}
      <table className="table">
        <caption className="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.name} scope="col" className={column.end ? 'end' : undefined} aria-sort={sorting && way(column, sorting)}>
                {all && column === title ? (
                  <span className="pick">
                    <label>
                      <input type="checkbox" {...all} />
                      <span className="hidden">{t('table.choose_all')}</span>
                    </label>
                    <Heading column={column} sorting={sorting} />
                  </span>
                ) : (
                  <Heading column={column} sorting={sorting} />
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
    </>
  );
}

/** The same without one, or with it when it was not there. */
const without = (ids: ReadonlySet<string>, key: string) => new Set(ids.has(key) ? [...ids].filter((one) => one !== key) : [...ids, key]);

/** On a narrow page, where there are no headings. */
function Order<Row>({ columns, sorting }: { columns: Column<Row>[]; sorting: Sorting }) {
  return (
    <Select label={t('table.sort')} value={sorting.by} onChange={(event) => sorting.set(event.target.value)}>
      <option value="">{sorting.none}</option>
      {columns.flatMap(({ name, sort }) =>
        (sort ? [sort.by, `-${sort.by}`] : []).map((by) => (
          <option key={by} value={by}>
            {t(by.startsWith('-') ? 'table.sort.down' : 'table.sort.up', { name })}
          </option>
        )),
      )}
    </Select>
  );
}

/** Which way a column has put the rows in order. */
function way<Row>({ sort }: Column<Row>, { by }: Sorting): 'ascending' | 'descending' | undefined {
  return sort && (by === sort.by ? 'ascending' : by === `-${sort.by}` ? 'descending' : undefined);
}

/** A heading that sorts: up, down, and as it was. */
function Heading<Row>({ column, sorting }: { column: Column<Row>; sorting: Sorting | undefined }) {
  const { name, sort } = column;
  if (!sorting || !sort) return name;
  const now = way(column, sorting);
  const next = now === 'ascending' ? `-${sort.by}` : now === 'descending' ? '' : sort.by;
  return (
    <button type="button" className="sort" onClick={() => sorting.set(next)}>
      {name}
      {now && <Icon name={now === 'ascending' ? 'up' : 'down'} />}
    </button>
  );
}

function inOrder<Row>(rows: Row[], columns: Column<Row>[], by: string): Row[] {
  const of = columns.find(({ sort }) => sort && [sort.by, `-${sort.by}`].includes(by))?.sort?.of;
  if (!of) return rows;
  return rows.toSorted((one, other) => {
    const [a, b] = [of(one), of(other)];
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
    const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
    return by.startsWith('-') ? -order : order;
  });
}

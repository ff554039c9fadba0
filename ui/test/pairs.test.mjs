// What a restore preview counts is what the restore changes: 50 pairs of databases made by chance, of tables with and
// without rowid, with keys of one column, of several and of none, of numbers, texts, bytes and NULL. The real change is
// counted here, row by row, from the data before and after the restore.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { page } from './browser.mjs';
import { Stand } from './stand.mjs';

const [ROUNDS, DATABASES] = [5, 10];
const TOML = `
[destination.here]
path = "backups"
[plan.pairs]
databases = [${Array.from({ length: DATABASES }, (_, n) => `"pair-${n}.db"`).join(', ')}]
destinations = ["here"]
`;

let seed = 20261121;
const chance = (most) => (seed = (seed * 48271) % 2147483647) % most;
const quote = (name) => `"${name.replaceAll('"', '""')}"`;

/** Any value, as SQL writes it. */
function value() {
  switch (chance(8)) {
    case 0: return 'NULL';
    case 1: return String(chance(2000) - 1000);
    case 2: return String((chance(1e6) - 5e5) / 64);
    case 3: return `x'${Array.from({ length: chance(40) }, () => chance(256).toString(16).padStart(2, '0')).join('')}'`;
    case 4: return "''";
    case 5: return `'it''s\n${chance(99)} "ü" 🦊'`;
    case 6: return String(9007199254740993n + BigInt(chance(99)));
    default: return `'text ${chance(9)}'`;
  }
}

const KEYS = [
  { key: ['id'], sql: (columns) => `(id INTEGER PRIMARY KEY, ${columns})` },
  { key: ['k'], sql: (columns) => `(k TEXT NOT NULL PRIMARY KEY, ${columns})` },
  { key: ['k'], sql: (columns) => `(k BLOB PRIMARY KEY, ${columns}) WITHOUT ROWID` },
  { key: ['a', 'b'], sql: (columns) => `(a INTEGER NOT NULL, b TEXT NOT NULL, ${columns}, PRIMARY KEY (b, a))` },
  { key: ['a', 'b'], sql: (columns) => `(a INT, b, ${columns}, PRIMARY KEY (a, b)) WITHOUT ROWID` },
  { key: [], sql: (columns) => `(${columns})` },
];
const keyOf = ({ key }, n) => key.map((name) => (name === 'k' ? (n % 2 ? `'key ${n}'` : `x'${n.toString(16).padStart(8, '0')}'`) : name === 'b' ? `'b${n % 7}'` : String(n)));

/** Tables by chance. */
function schema(n) {
  return Array.from({ length: 1 + chance(4) }, (_, at) => {
    const shape = KEYS[(n + at + chance(2)) % KEYS.length];
    const columns = Array.from({ length: 1 + chance(4) }, (_, column) => `c${column}`);
    return { name: ['plain', 'odd "name"', 'ümlaut', 'select'][at], shape, columns, next: 1 };
  });
}

const insert = (table, count) =>
  Array.from({ length: count }, () => {
    const row = [...keyOf(table.shape, table.next++), ...table.columns.map(value)];
    return `INSERT INTO ${quote(table.name)} VALUES (${row.join(', ')});`;
  }).join('\n');

const build = (tables) => tables.map((table) => `CREATE TABLE ${quote(table.name)} ${table.shape.sql(table.columns.join(', '))};\n${insert(table, chance(80))}`).join('\n');

/** Changes by chance: rows go, change, come. */
function change(tables) {
  return tables
    .filter(() => chance(5) > 0)
    .map((table) => {
      const name = quote(table.name);
      const which = table.shape.key.length > 0 ? table.shape.key.map((one) => `hex(quote(${one}))`).join(' || ') : 'rowid';
      const hash = `(length(${which}) * 7 + unicode(substr(${which}, -1)) + unicode(substr(${which}, -3)))`;
      const column = table.columns[chance(table.columns.length)];
      return [
        `DELETE FROM ${name} WHERE ${hash} % 11 = ${chance(11)};`,
        `UPDATE ${name} SET ${column} = ${value()} WHERE ${hash} % 7 = ${chance(7)};`,
        insert(table, chance(20)),
      ].join('\n');
    })
    .join('\n');
}

export default async function ({ browser, criterion }) {
  const stand = await Stand.start({ toml: TOML });
  const path = (n) => join(stand.folder, `pair-${n}.db`);
  const sql = (n, text) => execFileSync('sqlite3', [path(n)], { encoding: 'utf8', input: text, maxBuffer: 1 << 26 });
  /** Every row of every table: the text of its key and of all of it. */
  const rows = (n, tables) => {
    const text = (columns) => `json_array(${columns.map((one) => `quote(${one})`).join(', ')})`;
    const ask = ({ name, columns, shape: { key } }, at) =>
      `SELECT ${at} || char(31) || ${key.length > 0 ? text(key) : "''"} || char(31) || ${text([...key, ...columns])} FROM ${quote(name)};`;
    const found = tables.map(() => []);
    for (const line of sql(n, tables.map(ask).join('\n')).split('\n').filter(Boolean)) {
      const [at, ...row] = line.split('\u001f');
      found[Number(at)].push(row);
    }
    return found;
  };
  /** What changed between two reads of a table: come back, change, are lost. */
  const changed = (table, before, after) => {
    if (table.shape.key.length === 0) {
      const left = new Map();
      for (const [, row] of before) left.set(row, (left.get(row) ?? 0) + 1);
      let back = 0;
      for (const [, row] of after) {
        if (left.get(row)) left.set(row, left.get(row) - 1);
        else back += 1;
      }
      return [back, 0, [...left.values()].reduce((sum, one) => sum + one, 0)];
    }
    const [then, now] = [new Map(before), new Map(after)];
    return [
      [...now.keys()].filter((key) => !then.has(key)).length,
      [...now].filter(([key, row]) => then.has(key) && then.get(key) !== row).length,
      [...then.keys()].filter((key) => !now.has(key)).length,
    ];
  };
  const tab = await page(browser, stand);
  try {
    await criterion('F2', `a restore changes exactly what its preview counts, for ${ROUNDS * DATABASES} pairs of databases`, async () => {
      const wrong = [];
      let all = [0, 0, 0];
      for (let round = 0; round < ROUNDS; round++) {
        const pairs = Array.from({ length: DATABASES }, (_, n) => schema(n + round));
        pairs.forEach((tables, n) => {
          const old = sql(n, "SELECT group_concat('DROP TABLE \"' || replace(name, '\"', '\"\"') || '\";', ' ') FROM sqlite_schema WHERE type = 'table';");
          sql(n, `${old.trim()}\n${build(tables)}`);
        });
        const run = await stand.backUp('pairs');
        const backup = run.result.backup;
        pairs.forEach((tables, n) => sql(n, change(tables)));
        const read = () => pairs.map((tables, n) => rows(n, tables));
        const before = read();
        const { preview, differences } = await stand.json('POST', '/restores/preview', { backup, only: [] });
        let shown;
        if (round < 2) {
          await tab.go(`/restore/${backup}`);
          await tab.click('text=Show what will happen');
          await tab.waitForSelector('.counters');
          shown = await tab.$$eval('.counters strong', (found) => found.map((one) => Number(/^([\d,]+)/.exec(one.innerText)?.[1].replaceAll(',', '') ?? 0)));
        }
        const restore = await stand.json('POST', '/restores', { preview, confirm: true, force: false });
        const done = await stand.ended_run(restore.run);
        if (done.outcome !== 'good') wrong.push(JSON.stringify(done.error ?? done.result));
        const after = read();
        const sums = [0, 0, 0];
        pairs.forEach((tables, n) =>
          tables.forEach((table, at) => {
            const real = changed(table, before[n][at], after[n][at]);
            real.forEach((count, side) => (sums[side] += count));
            const told = differences.databases.find((one) => one.name === `pair-${n}`)?.tables.find((one) => one.name === table.name);
            const counts = told ? [told.added, told.changed, told.removed] : [0, 0, 0];
            if (String(counts) !== String(real)) wrong.push(`round ${round}, ${n}, ${table.name} ${table.shape.sql('…')}: told ${counts}, it is ${real}`);
          }),
        );
        if (shown && String(shown) !== String(sums)) wrong.push(`round ${round}: the page says ${shown}, it is ${sums}`);
        all = all.map((sum, side) => sum + sums[side]);
      }
      if (all.some((count) => count < 100)) wrong.push(`only ${all} changes`);
      return wrong.length > 0 ? wrong : `${all[0]} rows came back, ${all[1]} changed, ${all[2]} were lost`;
    });
  } finally {
    await tab.context().close();
    await stand.stop();
  }
}

// The ways through the page that somebody without a mouse takes: make a plan, back up, download, restore, undo, change what
// is kept, add a destination, sign out. Only the keyboard is used; what happened is asked of the data and the server.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { page, settled } from './browser.mjs';
import { Stand, until } from './stand.mjs';

/** Presses Tab until what is named has the focus; a name begins with the text. */
export async function reach(tab, name, role = '', most = 160) {
  for (let step = 0; step < most; step++) {
    const found = await tab.evaluate(
      ([name, role]) => {
        const one = document.activeElement;
        if (!one || one === document.body) return false;
        const labels = [one.getAttribute('aria-label'), ...[...(one.labels ?? [])].map((label) => label.textContent), one.textContent];
        return (!role || one.tagName === role) && labels.some((label) => label?.trim().startsWith(name));
      },
      [name, role],
    );
    if (found) return;
    await tab.keyboard.press('Tab');
  }
  throw new Error(`Tab does not come to ${name}`);
}

const press = async (tab, name, role = '') => {
  await reach(tab, name, role);
  await tab.keyboard.press('Enter');
};
const write = async (tab, name, text, role = '') => {
  await reach(tab, name, role);
  await tab.keyboard.press('Control+A');
  await tab.keyboard.type(text);
};
const heading = (tab, text) => tab.waitForFunction((text) => document.querySelector('h1')?.textContent.includes(text), text, { timeout: 20_000 });
/** The page is at the top again, with nothing in focus. */
const start = async (tab, path) => {
  await tab.go(path);
  await settled(tab);
};

export default async function ({ browser, criterion }) {
  const stand = await Stand.start();
  const database = join(stand.folder, 'shop.db');
  const sql = (text) => execFileSync('sqlite3', [database, text], { encoding: 'utf8' });
  const dump = () => sql('.dump');
  const tab = await page(browser, stand);
  // Whoever presses with a mouse here is caught.
  await tab.addInitScript(() => document.addEventListener('pointerdown', () => (window.mouse = true), true));
  const backups = async () => (await stand.json('GET', '/backups?plan=books')).items;
  const A2 = (what, act) => criterion('A2', `by keyboard alone: ${what}`, act);
  try {
    await A2('a plan is made', async () => {
      await start(tab, '/plans');
      await press(tab, 'New plan');
      await heading(tab, 'New plan');
      await write(tab, 'Name', 'books', 'INPUT');
      await write(tab, 'Path of the SQLite database', database, 'INPUT');
      await reach(tab, 'here', 'INPUT');
      await tab.keyboard.press('Space');
      await press(tab, 'Save', 'BUTTON');
      await heading(tab, 'books');
      const { plan } = await stand.json('GET', '/plans/books');
      const wanted = { databases: [database], destinations: ['here'], schedule: { every: 'daily', at: '03:00', zone: 'Europe/Berlin' }, retention: { preset: '7-4-12' } };
      return JSON.stringify(sorted(plan)) === JSON.stringify(sorted(wanted)) ? [] : [JSON.stringify(plan)];
    });
    await A2('a plan that is not right says where, and the focus goes there', async () => {
      await start(tab, '/plans/new');
      await press(tab, 'Save', 'BUTTON');
      await tab.waitForFunction(() => document.activeElement?.getAttribute('aria-invalid') === 'true');
      await write(tab, 'Name', 'Not a name', 'INPUT');
      await write(tab, 'Path of the SQLite database', '/nowhere.db', 'INPUT');
      await reach(tab, 'here', 'INPUT');
      await tab.keyboard.press('Space');
      await press(tab, 'Save', 'BUTTON');
      await tab.waitForSelector('.field .wrong:has-text("Not a plan name")');
      await tab.waitForFunction(() => document.activeElement?.tagName === 'INPUT', undefined, { timeout: 3_000 }).catch(() => undefined);
      const at = await tab.evaluate(() => document.activeElement?.labels?.[0]?.textContent);
      // Leaving asks first; Escape stays.
      await press(tab, 'Discard', 'BUTTON');
      await tab.waitForSelector('.dialog:has-text("Leave without saving?")');
      await press(tab, 'Discard the changes', 'BUTTON');
      await heading(tab, 'Plans');
      return at === 'Name' ? [] : [`the focus is on ${at}`];
    });
    await A2('a backup is made', async () => {
      await start(tab, '/plans/books');
      await press(tab, 'Back up now', 'BUTTON');
      await until('a backup', async () => (await backups()).length === 1);
    });
    let [backup] = await backups();
    await A2('a backup is found and downloaded', async () => {
      await start(tab, '/backups?plan=books');
      await reach(tab, new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', day: 'numeric', month: 'short', year: 'numeric' }).format(new Date(backup.created_at)), 'A');
      await tab.keyboard.press('Enter');
      await heading(tab, 'books, ');
      await reach(tab, 'Download', 'A');
      const [download] = await Promise.all([tab.waitForEvent('download'), tab.keyboard.press('Enter')]);
      const bytes = readFileSync(await download.path());
      return bytes.length === backup.bytes && download.suggestedFilename().startsWith('books-') ? [] : [`${bytes.length} bytes, ${download.suggestedFilename()}`];
    });
    let changed;
    await A2('data is restored, with the name typed and the question as it is specified', async () => {
      sql("DELETE FROM orders WHERE id <= 7; UPDATE orders SET total = 0 WHERE id BETWEEN 100 AND 104; INSERT INTO orders VALUES (9001, 'later', 1), (9002, 'later', 2)");
      changed = dump();
      await start(tab, `/backups/${backup.id}`);
      await press(tab, 'Restore…', 'A');
      await heading(tab, 'Restore books');
      await press(tab, 'Show what will happen', 'BUTTON');
      await tab.waitForSelector('.counters');
      const told = await tab.$$eval('.counters li', (all) => all.map((one) => one.innerText.replace(/\s+/g, ' ').trim()));
      const wrong = ['7 rows come back', '5 rows change', '2 rows are lost'].filter((text, index) => told[index] !== text);
      if (wrong.length > 0) return [`counters say ${told.join(' | ')}`];
      await tab.waitForSelector('text="Restore will replace all data. Continue?"');
      await write(tab, 'Type books', 'books!', 'INPUT');
      await tab.keyboard.press('Enter');
      await tab.waitForSelector('.wrong:has-text("The text does not match")');
      await write(tab, 'Type books', 'books', 'INPUT');
      await tab.keyboard.press('Enter');
      await heading(tab, 'Restore of books');
      await tab.waitForSelector('.pill:has-text("good")', { timeout: 30_000 });
      const rows = sql('SELECT count(*), sum(id <= 7), sum(id > 9000) FROM orders').trim();
      return rows === '2000|7|0' ? [] : [`the table has ${rows}`];
    });
    await criterion('F12', 'a restore is undone from its page: the data is that of before', async () => {
      await press(tab, 'Undo this restore', 'BUTTON');
      await tab.waitForSelector('.dialog:has-text("Restore will replace all data. Continue?")');
      await write(tab, 'Type books', 'books', 'INPUT');
      await tab.keyboard.press('Enter');
      await until('the data of before', async () => dump() === changed, 30);
      return [];
    });
    await criterion('D3', 'data that changed after the preview: the new preview comes by itself', async () => {
      await start(tab, `/restore/${backup.id}`);
      await press(tab, 'Show what will happen', 'BUTTON');
      await tab.waitForSelector('.counters');
      sql("INSERT INTO orders VALUES (9100, 'meanwhile', 1)");
      await write(tab, 'Type books', 'books', 'INPUT');
      await tab.keyboard.press('Enter');
      await tab.waitForSelector('.note:has-text("The data changed while you were reading")', { timeout: 30_000 });
      const lost = await tab.locator('.counters li').nth(2).innerText();
      return /3 rows/.test(lost) ? [] : [`it says ${lost}`];
    });
    await A2('what is kept is changed, with its preview', async () => {
      await start(tab, '/plans/books/edit');
      await reach(tab, 'Keep for', 'SELECT');
      await tab.keyboard.type('The newest');
      await tab.waitForSelector('text=/backups? stays?/');
      await press(tab, 'Save', 'BUTTON');
      await tab.waitForFunction(() => document.querySelector('h1')?.textContent === 'books');
      const { plan } = await stand.json('GET', '/plans/books');
      return plan.retention.preset === 'last-7' ? [] : [JSON.stringify(plan.retention)];
    });
    await A2('a destination is tested and added', async () => {
      const folder = join(stand.folder, 'second');
      await start(tab, '/destinations');
      await press(tab, 'Add a destination', 'A');
      await heading(tab, 'Add a destination');
      await write(tab, 'Name', 'second', 'INPUT');
      await write(tab, 'Folder', folder, 'INPUT');
      await press(tab, 'Test connection', 'BUTTON');
      await tab.waitForSelector('.note.good:has-text("It works.")');
      await press(tab, 'Save', 'BUTTON');
      await heading(tab, 'Destinations');
      const { document } = await stand.json('GET', '/destinations/second');
      return document.path === folder && existsSync(folder) ? [] : [JSON.stringify(document)];
    });
    await A2('one signs out', async () => {
      await start(tab, '/');
      await press(tab, 'admin', 'BUTTON');
      await tab.waitForSelector('[role=menu]:popover-open');
      await tab.keyboard.press('End');
      await tab.keyboard.press('Enter');
      await tab.waitForSelector('input[name=password]');
    });
    await criterion('A2', 'no mouse was used', async () => ((await tab.evaluate(() => window.mouse)) ? ['a pointer was pressed'] : []));
  } finally {
    await tab.context().close();
    await stand.stop();
  }
}

const sorted = (value) =>
  value && typeof value === 'object' && !Array.isArray(value) ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])])) : value;

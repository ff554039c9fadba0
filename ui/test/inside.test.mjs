// The list of backups and what is inside one: search and filters that are in the address, several at once, folders, files
// and tables. What comes out is what went in; hostile names are text; secrets are hidden.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { axe, NARROW, page, settled } from './browser.mjs';
import { PASSWORD, Stand, until } from './stand.mjs';

const HOSTILE = '<img src=x onerror="window.hacked=1">.txt';
/** A picture of one pixel, as GIF. */
const GIF = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');

export default async function ({ browser, criterion }) {
  const stand = await Stand.start();
  const put = (path, bytes) => writeFileSync(join(stand.folder, 'pictures', path), bytes);
  mkdirSync(join(stand.folder, 'pictures/2026/may'), { recursive: true });
  put('2026/may/notes.json', '{"a":[1,2]}');
  put('2026/dot.gif', GIF);
  put(`2026/${HOSTILE}`, 'hostile');
  put('2026/bytes.bin', Buffer.from([0, 1, 2]));
  put('2026/large.txt', 'x'.repeat(1_100_000));
  const sql = (text) => execFileSync('sqlite3', [join(stand.folder, 'shop.db'), text]);
  sql("INSERT INTO settings VALUES ('theme', 'sea'), ('smtp_password', 'hunter2')");
  const tab = await page(browser, stand);
  const all = async () => (await stand.json('GET', '/backups?plan=shop')).items;
  const rows = () => tab.$$eval('main table.table tbody tr', (all) => all.length);
  const shows = (count) => tab.waitForFunction((count) => document.querySelectorAll('main table.table tbody tr').length === count, count, { timeout: 10_000 });
  try {
    for (let n = 0; n < 3; n++) {
      sql(`INSERT INTO orders VALUES (${9000 + n}, 'x', 1)`);
      await stand.backUp('shop');
    }
    const [newest, middle, oldest] = await all();
    await until('the test restore', async () => (await all()).some((backup) => backup.verified === 'restore'));

    await criterion('S7', 'search and filters of backups are in the address, and the server agrees', async () => {
      const wrong = [];
      await tab.go('/backups');
      await shows(3);
      for (const [label, choice, query, asked] of [['Proof', 'restored', 'state=restored', '?state=restored'], ['Proof', 'damaged', 'state=damaged', '?state=damaged'], ['Proof', '', '', '']]) {
        await tab.getByLabel(label, { exact: true }).selectOption(choice);
        const expected = (await stand.json('GET', `/backups${asked}`)).items.length;
        await shows(expected).catch(async () => wrong.push(`${query}: ${await rows()} rows, the server has ${expected}`));
        if (!tab.url().includes(query)) wrong.push(`${query} is not in ${tab.url()}`);
      }
      await tab.getByLabel('Search plan, label or id').fill(middle.id.slice(-8).toLowerCase());
      await shows(1).catch(() => wrong.push('the search finds no id'));
      await tab.getByLabel('Search plan, label or id').fill('nothing like it');
      await tab.waitForSelector('text=No backup matches.');
      await tab.click('text=Clear filters');
      await shows(3);
      await tab.go('/backups?destination=nas');
      if ((await rows()) !== 3) wrong.push(`nas: ${await rows()} rows`);
      if (!(await tab.isVisible('text=Copy at'))) wrong.push('a filter that is set is folded away');
      return wrong;
    });
    await criterion('S7', 'several backups are protected, and deleted with one question that is typed', async () => {
      const wrong = [];
      await tab.go('/backups');
      const boxes = tab.locator('tbody input[type=checkbox]');
      await boxes.nth(2).check();
      await tab.waitForSelector('.chosen:has-text("1 chosen")');
      wrong.push(...(await axe(tab)));
      await tab.click('.chosen >> text=Protect');
      await tab.waitForSelector('tbody tr:nth-child(3) .pill:has-text("protected")');
      await boxes.nth(1).check();
      await boxes.nth(2).check();
      await tab.waitForSelector('.chosen:has-text("2 chosen")');
      await tab.click('.chosen >> text=Delete…');
      await tab.waitForSelector('.dialog:has-text("1 of them is protected")');
      wrong.push(...(await axe(tab)));
      await tab.fill('[name=typed]', 'shop');
      await tab.click('.dialog button[type=submit]');
      // A protected one wants the password, unless it was given just now.
      const proof = await tab.waitForSelector('.dialog input[type=password]', { timeout: 3_000 }).catch(() => undefined);
      if (proof) {
        await proof.fill(PASSWORD);
        await tab.click('.dialog button[type=submit]');
      }
      await shows(1);
      const left = (await all()).map((backup) => backup.id);
      if (String(left) !== newest.id) wrong.push(`left are ${left}, not only ${newest.id}; gone should be ${middle.id}, ${oldest.id}`);
      await boxes.nth(0).check();
      await tab.click('.chosen >> text=Delete…');
      await tab.waitForSelector('.dialog:has-text("last verified backup of shop")');
      await tab.click('.dialog >> text=Keep them');
      if ((await all()).length !== 1) wrong.push('the last one is gone');
      return wrong;
    });
    await criterion('S7', 'what was deleted waits in the trash and is put back, protected', async () => {
      const wrong = [];
      await tab.go('/backups');
      await tab.click('main >> text=Trash: what was deleted');
      await tab.waitForSelector('main tbody tr');
      if ((await rows()) !== 2) wrong.push(`${await rows()} rows in the trash, two were deleted`);
      await tab.getByRole('button', { name: 'Put back' }).first().press('Enter');
      await tab.waitForSelector('.note.good:has-text("is back at")');
      await shows(1);
      wrong.push(...(await axe(tab)));
      const back = (await all()).find((backup) => backup.id !== newest.id);
      if (![middle.id, oldest.id].includes(back?.id) || !back.protected) wrong.push(`back is ${JSON.stringify(back)}`);
      await tab.click('.note.good a');
      await tab.waitForSelector('h1:has-text("shop")');
      // A destination that is not there does not hide what others have.
      const place = join(stand.folder, 'backups');
      renameSync(place, `${place}.away`);
      mkdirSync(place);
      await tab.go('/backups/trash');
      await tab.waitForSelector('text=could not be looked at');
      wrong.push(...(await axe(tab)));
      rmSync(place, { recursive: true });
      renameSync(`${place}.away`, place);
      await tab.click('text=Try again');
      await shows(1);
      return wrong;
    });
    await criterion('S7', 'on a phone the bar of chosen backups is a menu that stays in sight', async () => {
      const phone = await page(browser, stand, { size: NARROW });
      await phone.go('/backups');
      await phone.locator('tbody input[type=checkbox]').first().check();
      await phone.click('.chosen [aria-haspopup=menu]');
      await phone.waitForSelector('[role=menu]:popover-open');
      const wrong = await axe(phone);
      await phone.context().close();
      return wrong;
    });
    await criterion('S14', 'a backup is copied to one more destination, and what a destination lacks is copied at once', async () => {
      const wrong = [];
      const attic = join(stand.folder, 'attic');
      writeFileSync(attic, 'no folder yet');
      await stand.api('POST', '/destinations/attic', { path: attic });
      await stand.api('POST', '/plans', { name: 'books', plan: { databases: [join(stand.folder, 'shop.db')], destinations: ['here', 'attic'] } });
      await stand.backUp('books');
      rmSync(attic);
      await tab.go('/destinations');
      await tab.waitForSelector('.note:has-text("1 backup of books is missing here.")');
      wrong.push(...(await axe(tab)));
      await tab.getByRole('button', { name: /Copy now.*books/ }).press('Enter');
      await tab.waitForURL('**/runs/*');
      await until('the copy', async () => (await stand.json('GET', '/backups?plan=books')).items[0].copies.length === 2);

      await tab.go('/backups?plan=shop');
      await tab.getByRole('button', { name: 'Actions for shop' }).first().click();
      await tab.click('[role=menu]:popover-open >> text=Copy to…');
      await tab.waitForSelector('.dialog select');
      wrong.push(...(await axe(tab)));
      const offered = await tab.$$eval('.dialog option', (all) => all.map((one) => one.textContent));
      if (String(offered) !== 'attic') wrong.push(`offered are ${offered}`);
      await tab.click('.dialog button[type=submit]');
      await tab.waitForURL('**/runs/*');
      await until('the copy', async () => (await all())[0].copies.some((copy) => copy.destination === 'attic'));
      return wrong;
    });
    await criterion('S16', 'the diagnostics that are kept are those that were shown; everything is paused and resumed', async () => {
      const wrong = [];
      await tab.go('/settings/system');
      await tab.click('text=Show what is inside');
      const shown = await tab.textContent('pre.log');
      if (!shown.includes('SELF-CHECKS') || !shown.includes('plan.shop.databases.shop')) wrong.push(shown.slice(0, 300));
      wrong.push(...(await axe(tab)));
      const [kept] = await Promise.all([tab.waitForEvent('download'), tab.click('text=Download this text')]);
      if (readFileSync(await kept.path(), 'utf8') !== shown) wrong.push('what was kept is another text');
      await tab.go('/settings/danger');
      await tab.getByRole('button', { name: 'Pause everything' }).press('Enter');
      await tab.getByRole('menuitem', { name: 'Until I resume' }).press('Enter');
      await tab.waitForSelector('text=admin paused everything');
      await tab.go('/plans');
      await tab.waitForSelector('.banner:has-text("Everything is paused since")');
      wrong.push(...(await axe(tab)));
      await tab.go('/settings/danger');
      await tab.getByRole('button', { name: 'Resume everything' }).press('Enter');
      await tab.getByRole('button', { name: 'Pause everything' }).waitFor();
      if ((await stand.json('GET', '/scheduler')).paused !== null) wrong.push('it is still paused');
      return wrong;
    });
    await criterion('S1', 'databases that the server found are taken with one press', async () => {
      await tab.go('/welcome?way=start');
      await tab.waitForSelector('.found:has-text("shop.db")');
      const wrong = await axe(tab);
      await tab.getByRole('button', { name: /^Take \d+ database/ }).press('Enter');
      await tab.waitForFunction((path) => [...document.querySelectorAll('main input.mono')].some((one) => one.value === path), join(stand.folder, 'shop.db'));
      if (await tab.isVisible('.found')) wrong.push('what was taken is still offered');
      return wrong;
    });
    await criterion('S8', 'folders are walked by links, files are found by name, and come out as they went in', async () => {
      const wrong = [];
      await tab.go(`/backups/${newest.id}`);
      await tab.click('.head >> text=Browse');
      await tab.click('main table >> text=pictures');
      await tab.click('text=2026/');
      await tab.waitForSelector('.trail [aria-current]:has-text("2026")');
      await settled(tab);
      const names = await tab.$$eval('main tbody th bdi', (all) => all.map((one) => one.innerText.trim()));
      if (names[0] !== 'may/' || !names.includes(HOSTILE)) wrong.push(`listed: ${names.join(' | ')}`);
      const [download] = await Promise.all([tab.waitForEvent('download'), tab.click('[aria-label="Download dot.gif"]')]);
      if (!readFileSync(await download.path()).equals(GIF)) wrong.push('the file is another one');
      if (download.suggestedFilename() !== 'dot.gif') wrong.push(`it is called ${download.suggestedFilename()}`);
      await tab.click(`main tbody a >> text=${HOSTILE}`);
      await tab.waitForSelector('.log:has-text("hostile")');
      await tab.goBack();
      await tab.getByLabel('Search below this folder').fill('NOTES');
      await tab.click('main tbody a >> text=may/notes.json');
      await tab.waitForSelector('.log:has-text("\\"a\\": [")');
      if (await tab.evaluate(() => window.hacked)) wrong.push('a name was run');
      return wrong;
    });
    await criterion('S8', 'a picture is shown, bytes and large files are not, and a table without its secrets', async () => {
      const wrong = [];
      const at = (query) => tab.go(`/backups/${newest.id}/files?${new URLSearchParams(query)}`);
      await at({ part: 'pictures', path: '2026', file: '2026/dot.gif' });
      const drawn = await tab.waitForFunction(() => document.querySelector('img.picture')?.naturalWidth === 1).catch(() => undefined);
      if (!drawn) wrong.push('the picture is not drawn');
      await at({ part: 'pictures', path: '2026', file: '2026/bytes.bin' });
      await tab.waitForSelector('text=neither text nor a picture');
      await at({ part: 'pictures', path: '2026', file: '2026/large.txt' });
      await tab.waitForSelector('text=are not shown here');
      await at({ part: 'pictures', path: '2026', file: '../../shop.db' });
      await tab.waitForSelector('text=There is no such file in the backup');
      await at({ part: 'shop', table: 'settings' });
      await tab.waitForSelector('.rows td');
      const cells = await tab.$$eval('.rows td', (all) => all.map((one) => one.innerText.trim()));
      if (String(cells) !== 'theme,sea,smtp_password,hidden') wrong.push(`cells: ${cells}`);
      await at({ part: 'shop', table: 'orders' });
      await tab.waitForSelector('text=The first 50 rows. There are more.');
      return wrong;
    });
    await criterion('S3', 'each plan has its last 30 days as bars and in words', async () => {
      await stand.backUp('photos');
      await tab.go('/');
      const told = await tab.$$eval('.month', (all) => all.map((one) => [one.querySelectorAll('.bars span').length, one.innerText.trim()].join(' ')));
      return told.some((text) => text === '30 In the last 30 days: 1 day good.') && told.some((text) => text.includes('1 failed')) ? [] : told;
    });
    await tab.context().close();
  } finally {
    await stand.stop();
  }
}

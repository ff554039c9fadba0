// What lies in backups, in both layouts and encrypted: names in many of them, what has become of a folder since the backup
// before, several files as one ZIP or one restore, all by keys too. Hostile names are text, on the page and in the ZIP.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { axe, NARROW, page, settled } from './browser.mjs';
import { clones } from './seed.mjs';
import { PASSWORD, Stand, until } from './stand.mjs';

const HOSTILE = ['<img src=x onerror="window.hacked=1">.txt', '\u202egnp.exe', 'line\nbreak.txt', '🙂 emoji.txt', '..\\..\\up.txt'];
/** As the page writes them. */
const SHOWN = [HOSTILE[0], HOSTILE[1], 'line%0Abreak.txt', HOSTILE[3], '..%5C..%5Cup.txt'];
const TOML = `
[destination.here]
path = "backups"
[destination.sealed]
path = "sealed"
layout = "history"
encrypt = { passphrase_file = "passphrase" }
[plan.shop]
databases = ["shop.db"]
directories = ["pictures"]
destinations = ["here"]
[plan.secret]
databases = ["shop.db"]
directories = ["pictures"]
destinations = ["sealed"]
`;

/** Names and lengths in a ZIP, by somebody else's eyes; fails when a CRC is wrong. */
const unzip = (path) =>
  JSON.parse(execFileSync('python3', ['-c', 'import json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nprint(json.dumps({i.filename:i.file_size for i in z.infolist()}))', path], { encoding: 'utf8' }));

export default async function ({ browser, criterion }) {
  const stand = await Stand.start({
    toml: (stand) => {
      writeFileSync(join(stand.folder, 'passphrase'), 'correct horse battery staple\n');
      return TOML;
    },
  });
  const at = (path) => join(stand.folder, 'pictures', path);
  const sql = (text) => execFileSync('sqlite3', [join(stand.folder, 'shop.db'), text]);
  mkdirSync(at('gone-folder'));
  mkdirSync(at('2026/may'), { recursive: true });
  for (const path of ['gone-folder/a.txt', 'gone.txt', '2026/may/notes.txt', '2026/same.txt']) writeFileSync(at(path), path);
  const all = async (plan) => (await stand.json('GET', `/backups?plan=${plan}&kind=manual`)).items;
  const tab = await page(browser, stand);
  const cells = () => tab.$$eval('main tbody tr', (all) => Object.fromEntries(all.map((row) => [row.querySelector('bdi').textContent, row.querySelector('.pill')?.textContent ?? ''])));
  const focused = () => tab.evaluate(() => document.activeElement.closest('tr')?.querySelector('bdi')?.textContent ?? document.activeElement.tagName);
  try {
    for (const plan of ['shop', 'secret']) await stand.backUp(plan);
    for (const name of HOSTILE) writeFileSync(at(name), 'hostile');
    rmSync(at('gone-folder'), { recursive: true });
    rmSync(at('gone.txt'));
    writeFileSync(at('8.txt'), 'changed');
    writeFileSync(at('2026/may/notes.txt'), 'changed');
    symlinkSync('/etc/passwd', at('a-link'));
    sql('DELETE FROM orders WHERE id < 12; CREATE TABLE extra(id); DROP TABLE settings');
    for (const plan of ['shop', 'secret']) await stand.backUp(plan);

    await criterion('S7', 'a file is found by its name in the backups that hold it, also encrypted, and hostile', async () => {
      const wrong = [];
      await tab.go('/backups');
      await tab.getByLabel('With a file named').fill('GONE');
      await tab.getByLabel('With a file named').press('Enter');
      await tab.waitForSelector('text=4 backups were looked at, which are all.');
      if (!tab.url().includes('file=GONE')) wrong.push(`it is not in ${tab.url()}`);
      const found = await tab.$$eval('main tbody tr', (all) => all.map((row) => [...row.querySelectorAll('.matches bdi')].map((one) => one.textContent).join('|')));
      if (String(found) !== 'pictures/gone-folder/|pictures/gone.txt,pictures/gone-folder/|pictures/gone.txt') wrong.push(`found: ${found}`);
      wrong.push(...(await axe(tab)));
      await tab.click('text=pictures/gone.txt');
      await tab.waitForSelector('.log:has-text("gone.txt")');
      await tab.go('/backups?file=onerror&plan=secret');
      await tab.waitForSelector(`.matches bdi:has-text("pictures/${HOSTILE[0].replaceAll('"', '\\"')}")`);
      await tab.click('.matches a');
      await tab.waitForSelector('.log:has-text("hostile")');
      await tab.go('/backups?file=extra');
      await tab.waitForSelector('.matches bdi:has-text("shop: extra")');
      await tab.go('/backups?file=txt');
      await tab.click('.matches >> text=/and \\d+ more/');
      await tab.waitForSelector('.trail [aria-current]:has-text("pictures")');
      if ((await tab.getByLabel('Search below this folder').inputValue()) !== 'txt') wrong.push('the search does not go on in the folder');
      await tab.go('/backups?file=nothing-like-it');
      await tab.waitForSelector('text=No backup holds a file, a folder or a table called nothing-like-it.');
      await tab.click('text=End the search');
      await tab.waitForSelector('main tbody tr:nth-child(4)');
      if (await tab.evaluate(() => window.hacked)) wrong.push('a name was run');
      return wrong;
    });
    await criterion('S7', 'a search says how far it came, goes on, and tells what it cannot look into', async () => {
      const wrong = [];
      await clones(stand, 'many', 60);
      await stand.down();
      await stand.up();
      await until('the list', async () => (await stand.json('GET', '/backups?plan=many&limit=100')).items.length === 60);
      const place = join(stand.folder, 'sealed');
      renameSync(place, `${place}.away`);
      try {
        await tab.go('/backups?file=orders');
        await tab.waitForSelector('text=50 backups were looked at, newest first. There are older ones.');
        await tab.waitForSelector('.note.warning:has-text("2 backups could not be looked into.")', { timeout: 5_000 });
        wrong.push(...(await axe(tab)));
        await tab.click('text=Look into older ones');
        await tab.waitForSelector('text=64 backups were looked at, which are all.');
        const rows = await tab.$$eval('main tbody tr', (all) => all.length);
        if (rows !== 62) wrong.push(`${rows} rows, 62 hold the table`);
      } finally {
        rmSync(place, { recursive: true, force: true });
        renameSync(`${place}.away`, place);
      }
      return wrong;
    });
    for (const plan of ['shop', 'secret']) {
      const [newest, before] = await all(plan);
      await criterion('S8', `what is new, changed and gone since the backup before is marked (${plan})`, async () => {
        const wrong = [];
        await tab.go(`/backups/${newest.id}/files?part=pictures`);
        await tab.waitForSelector('main tbody .pill');
        const told = await cells();
        const expected = { '2026/': 'changed', '8.txt': 'changed', '9.txt': '', 'gone-folder/': 'gone', 'gone.txt': 'gone', 'a-link': 'new', ...Object.fromEntries(SHOWN.map((name) => [name, 'new'])) };
        for (const [name, word] of Object.entries(expected)) if (told[name] !== word) wrong.push(`${name} is ${told[name]}, not ${word}`);
        if (await tab.isVisible('text=line\nbreak')) wrong.push('a newline is no name');
        wrong.push(...(await axe(tab)));
        await tab.click('tr:has-text("gone.txt") >> text=in the backup before');
        await tab.waitForURL(`**/backups/${before.id}/files?**`);
        await tab.waitForSelector('.log:has-text("gone.txt")');
        if (await tab.evaluate(() => window.hacked)) wrong.push('a name was run');
        return wrong;
      });
      await criterion('S8', `chosen files and folders are one ZIP, and one file is itself (${plan})`, async () => {
        const wrong = [];
        await tab.go(`/backups/${newest.id}/files?part=pictures`);
        const pick = (name) => tab.getByLabel(`Choose ${name}`, { exact: true }).check();
        const take = async () => (await Promise.all([tab.waitForEvent('download'), tab.locator('.chosen').getByRole('button', { name: 'Download' }).click()]))[0];
        await pick('8.txt');
        await tab.waitForSelector('.chosen:has-text("1 chosen, 7 B")');
        const one = await take();
        if (one.suggestedFilename() !== '8.txt' || readFileSync(await one.path(), 'utf8') !== 'changed') wrong.push(`one file: ${one.suggestedFilename()}`);
        for (const name of [...SHOWN, '2026']) await pick(name);
        wrong.push(...(await axe(tab)));
        const zip = await take();
        if (!/^(shop|secret)-.*-pictures\.zip$/.test(zip.suggestedFilename())) wrong.push(`it is called ${zip.suggestedFilename()}`);
        const got = unzip(await zip.path());
        const expected = { '2026/': 0, '2026/may/': 0, '2026/may/notes.txt': 7, '2026/same.txt': 13, '8.txt': 7, ...Object.fromEntries(SHOWN.map((name) => [name, 7])) };
        const sorted = (of) => JSON.stringify(Object.entries(of).sort());
        if (sorted(got) !== sorted(expected)) wrong.push(`in the ZIP: ${JSON.stringify(got)}`);
        if (await tab.isVisible('.chosen >> text=Restore…')) wrong.push('a folder is offered to be restored');
        await tab.click('text=Choose none');
        if (await tab.isVisible('.chosen')) wrong.push('something is still chosen');
        if (await tab.locator('tr:has-text("a-link") input, tr:has-text("gone.txt") input').count()) wrong.push('a link or what is gone can be chosen');
        return wrong;
      });
    }
    await criterion('S8', 'chosen files are restored together, and everything else stays', async () => {
      const wrong = [];
      const [newest] = await all('shop');
      writeFileSync(at('8.txt'), 'later');
      writeFileSync(at('9.txt'), 'later');
      rmSync(at(HOSTILE[2]));
      await tab.go(`/backups/${newest.id}/files?part=pictures`);
      for (const name of ['8.txt', SHOWN[2]]) await tab.getByLabel(`Choose ${name}`, { exact: true }).check();
      await tab.click('.chosen >> text=Restore…');
      await tab.waitForSelector('.pieces label:nth-child(2)');
      wrong.push(...(await axe(tab)));
      await tab.click('text=Show what will happen');
      await tab.waitForSelector('[name=typed]', { timeout: 20_000 });
      wrong.push(...(await axe(tab)));
      const read = await tab.$('main input[type=checkbox]');
      if (read) await read.check();
      await tab.fill('[name=typed]', 'shop');
      await tab.getByRole('button', { name: 'Replace data' }).press('Enter');
      const proof = await tab.waitForSelector('.dialog input[type=password]', { timeout: 3_000 }).catch(() => undefined);
      if (proof) {
        await proof.fill(PASSWORD);
        await tab.click('.dialog button[type=submit]');
      }
      await tab.waitForURL('**/runs/*');
      await until('the files', async () => readFileSync(at('8.txt'), 'utf8') === 'changed' && statSync(at(HOSTILE[2])).size === 7);
      if (readFileSync(at('9.txt'), 'utf8') !== 'later') wrong.push('a file that nobody chose was restored');
      return wrong;
    });
    await criterion('S8', 'a folder is walked, ticked and left by keys alone', async () => {
      const wrong = [];
      const [newest] = await all('shop');
      const expect = async (what, name) => {
        await tab.waitForTimeout(50);
        const is = await focused();
        if (is !== name) wrong.push(`${what}: the focus is at ${is}, not at ${name}`);
      };
      await tab.go(`/backups/${newest.id}/files?part=pictures`);
      await tab.waitForSelector('main tbody .pill');
      const search = tab.getByLabel('Search below this folder');
      await search.focus();
      await tab.keyboard.press('ArrowDown');
      await expect('down from the search', '2026/');
      await tab.keyboard.press('Space');
      await tab.waitForSelector('.chosen:has-text("1 chosen")');
      await expect('after space', '2026/');
      await tab.keyboard.press('Enter');
      await tab.waitForSelector('.trail [aria-current]:has-text("2026")');
      await settled(tab);
      await expect('in the folder', 'may/');
      await tab.keyboard.press('ArrowDown');
      await expect('down', 'same.txt');
      await tab.keyboard.press('Enter');
      await tab.waitForSelector('.log:has-text("same.txt")');
      await tab.goBack();
      await tab.waitForSelector('main tbody');
      await tab.locator('tbody a').first().focus();
      await tab.keyboard.press('Backspace');
      await tab.waitForSelector('main tbody .pill');
      await expect('up again', '2026/');
      await tab.keyboard.press('End');
      await tab.keyboard.press('ArrowDown');
      await tab.keyboard.press('Home');
      await expect('home', '2026/');
      // A field stays a field.
      await search.fill('not x');
      await search.press('Backspace');
      await search.press('Space');
      if ((await search.inputValue()) !== 'not  ') wrong.push(`the field has ${JSON.stringify(await search.inputValue())}`);
      return wrong;
    });
    await criterion('S8', 'tables tell how many rows they have more than in the backup before', async () => {
      const [newest] = await all('secret');
      const wrong = [];
      for (const path of [`/backups/${newest.id}`, `/backups/${newest.id}/files?part=shop`]) {
        await tab.go(path);
        await tab.waitForSelector('th:has-text("Since the one before")', { state: 'attached' });
        await tab.$$eval('details.fold', (all) => all.forEach((one) => (one.open = true)));
        const told = await tab.$$eval('main .table tbody tr', (all) => all.map((row) => [...row.children].map((cell) => cell.textContent.trim()).join(' ')));
        for (const row of ['extra 0 new', 'orders 1,989 −11']) if (!told.includes(row)) wrong.push(`${row} is not in ${told.join(' | ')}`);
        if (!(await tab.isVisible('text=1 table is gone: settings'))) wrong.push('a table that is gone is not told');
        wrong.push(...(await axe(tab)));
      }
      return wrong;
    });
    await criterion('S8', 'on a phone, dark, all of it fits and can be pressed', async () => {
      const wrong = [];
      const [newest] = await all('shop');
      const phone = await page(browser, stand, { size: NARROW, dark: true });
      const fits = async (what) => {
        wrong.push(...(await axe(phone)));
        const over = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) wrong.push(`${what}: ${over} px too wide`);
      };
      await phone.go(`/backups/${newest.id}/files?part=pictures`);
      await phone.waitForSelector('main tbody .pill');
      await phone.getByLabel(`Choose ${HOSTILE[0]}`, { exact: true }).check();
      await fits('a folder');
      await phone.click('.chosen [aria-haspopup=menu]');
      const [file] = await Promise.all([phone.waitForEvent('download'), phone.click('[role=menu]:popover-open >> text=Download')]);
      if (readFileSync(await file.path(), 'utf8') !== 'hostile') wrong.push('the file is another one');
      await phone.go('/backups?file=txt');
      await phone.waitForSelector('.matches');
      await fits('names');
      await phone.context().close();
      return wrong;
    });
    await tab.context().close();
  } finally {
    await stand.stop();
  }
}

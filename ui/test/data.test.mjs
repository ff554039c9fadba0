// What the pages say about data is true: previews against differences counted here, retention against the server, the
// calendar against its list; hostile names stay text; a press counts once; uploads are checked, stopped and taken up again.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NARROW, page, settled } from './browser.mjs';
import { Stand, until } from './stand.mjs';

const HOSTILE = ['<img src=x onerror="window.hacked=1">.txt', '\u202egnp.exe', 'line\nbreak.txt', '🙂 emoji.txt', `${'long'.repeat(55)}.txt`, '{{7*7}} ${7*7}.txt'];
const TOML = `
[destination.here]
path = "backups"
[plan.shop]
databases = ["shop.db"]
destinations = ["here"]
[plan.hostile]
databases = ["hostile.db"]
directories = ["hostile"]
destinations = ["here"]
[notify.post]
ntfy = "http://127.0.0.1:9/topic"
`;

export default async function ({ browser, criterion }) {
  const stand = await Stand.start({ toml: TOML });
  const database = join(stand.folder, 'shop.db');
  const sql = (text, at = database) => execFileSync('sqlite3', [at, text], { encoding: 'utf8' });
  const rows = () => new Map(sql('SELECT id, customer, total FROM orders').trim().split('\n').map((line) => [line.split('|')[0], line]));
  const newest = async (plan) => (await stand.json('GET', `/backups?plan=${plan}`)).items[0];
  const tab = await page(browser, stand);
  try {
    await criterion('F2', 'a preview counts what a restore changes, for 5 changes made by chance', async () => {
      await stand.backUp('shop');
      const backup = await newest('shop');
      const then = rows();
      const wrong = [];
      let seed = 7;
      const chance = (most) => (seed = (seed * 48271) % 2147483647) % most;
      for (let round = 0; round < 5; round++) {
        sql(`DELETE FROM orders WHERE id % 97 = ${chance(97)}; UPDATE orders SET total = total + 1 WHERE id % 89 = ${chance(89)}; INSERT OR IGNORE INTO orders VALUES (${5000 + chance(9999)}, 'new', ${round})`);
        const now = rows();
        const real = [
          [...then.keys()].filter((id) => !now.has(id)).length,
          [...then].filter(([id, row]) => now.has(id) && now.get(id) !== row).length,
          [...now.keys()].filter((id) => !then.has(id)).length,
        ];
        await tab.go(`/restore/${backup.id}`);
        await tab.click('text=Show what will happen');
        await tab.waitForSelector('.counters');
        const told = await tab.$$eval('.counters strong', (all) => all.map((one) => Number(/^(\d+)/.exec(one.innerText)?.[1] ?? 0)));
        if (String(told) !== String(real)) wrong.push(`round ${round}: the page says ${told}, it is ${real}`);
      }
      return wrong;
    });
    await criterion('F3', 'the retention that is typed is the one that the server would apply', async () => {
      await stand.json('POST', '/plans', { name: 'books', plan: { databases: [database], destinations: ['here'] } });
      for (let n = 0; n < 4; n++) {
        sql(`INSERT INTO orders VALUES (${90000 + n}, 'x', 1)`);
        await stand.backUp('books');
      }
      await tab.go('/plans/books/edit');
      await tab.getByLabel('Keep for').selectOption('own');
      const wrong = [];
      for (const count of [1, 2, 3, 9]) {
        await tab.getByLabel('The newest', { exact: true }).fill(String(count));
        const draft = await stand.json('POST', '/plans/books/retention/draft', { retention: { keep_count: count } });
        const { keep, delete: goes } = draft.destinations[0];
        const text = goes === 0 ? 'Nothing would be deleted' : `${goes} would be deleted`;
        const found = await tab.waitForSelector(`text=/${keep} backups? stays?\\. ${text}/`, { timeout: 5_000 }).catch(() => undefined);
        if (!found) wrong.push(`${count}: not "${keep} stay, ${text}"`);
        const marks = await tab.$$eval('.marks .go', (all) => all.length);
        if (found && marks !== goes) wrong.push(`${count}: ${marks} marks go, ${goes} would`);
      }
      return wrong;
    });
    await criterion('F8', 'a change that is pressed twice is made once', async () => {
      await tab.go('/plans/books');
      const button = tab.locator('.head button:has-text("Back up now")');
      await button.dblclick();
      await settled(tab);
      await until('the run', async () => (await stand.json('GET', '/runs?plan=books&kind=backup&limit=50')).items.every((run) => run.state === 'done'));
      const { items } = await stand.json('GET', '/runs?plan=books&kind=backup&limit=50');
      return items.length === 5 ? [] : [`${items.length} runs`];
    });
    await criterion('F6', 'two people change a plan: the later one sees what differs and chooses', async () => {
      await tab.go('/plans/books/edit');
      await tab.getByLabel('Test restore at least every').fill('3d');
      await stand.json('PATCH', '/plans/books', { schedule: { every: 'daily', at: '05:00', zone: 'UTC' } });
      await tab.click('button[type=submit]');
      await tab.waitForSelector('.dialog:has-text("Somebody else changed this plan")');
      const differ = await tab.$$eval('.dialog tbody th', (all) => all.map((one) => one.innerText));
      await tab.click('text=Take theirs');
      await tab.waitForFunction(() => [...document.querySelectorAll('input[type=time]')].some((one) => one.value === '05:00'));
      return differ.includes('schedule') && differ.includes('test_restore') ? [] : [`differs: ${differ}`];
    });
    await criterion('A9', 'each day of the calendar is reached by arrows, has a name, and the list holds the same', async () => {
      await tab.go('/calendar');
      await tab.locator('.heat button[tabindex="0"]').focus();
      await tab.keyboard.press('Home');
      const seen = new Set();
      const last = () => tab.evaluate(() => document.activeElement?.dataset.date);
      for (;;) {
        const date = await last();
        if (!date || seen.has(date)) break;
        seen.add(date);
        await tab.keyboard.press('ArrowDown');
      }
      const facts = await tab.evaluate(() => ({
        names: [...document.querySelectorAll('.heat .day[data-date]')].filter((one) => one.getAttribute('aria-label')?.includes('202')).length,
        busy: [...document.querySelectorAll('.heat .day[data-date]:not(.none)')].map((one) => one.dataset.date).sort(),
        listed: [...document.querySelectorAll('.days li')].map((one) => one.dataset.day).sort(),
      }));
      const wrong = [];
      if (seen.size !== 36 * 7) wrong.push(`${seen.size} days are reached`);
      if (facts.names !== 36 * 7) wrong.push(`${facts.names} days have a name`);
      if (String(facts.busy) !== String(facts.listed)) wrong.push(`grid ${facts.busy}, list ${facts.listed}`);
      return wrong;
    });
    await criterion('S3', 'hostile names of files, tables and labels stay text, and nothing gets wider', async () => {
      mkdirSync(join(stand.folder, 'hostile'));
      for (const name of HOSTILE) writeFileSync(join(stand.folder, 'hostile', name), 'x');
      sql(`CREATE TABLE "<b onclick=alert(1)>t</b>" (id INTEGER PRIMARY KEY, x); INSERT INTO "<b onclick=alert(1)>t</b>" VALUES (1, 1)`, join(stand.folder, 'hostile.db'));
      const { run } = await stand.json('POST', '/plans/hostile/run', { label: '<script>window.hacked=1</script> \u202e 🙂' });
      await stand.ended_run(run);
      for (const name of HOSTILE) writeFileSync(join(stand.folder, 'hostile', name), 'changed');
      const backup = await newest('hostile');
      const wrong = [];
      const narrow = await page(browser, stand, { size: NARROW });
      for (const path of ['/backups', `/backups/${backup.id}`, `/restore/${backup.id}?stale=yes`, '/activity', `/runs/${run}`]) {
        await narrow.go(path);
        if (path === `/backups/${backup.id}`) await narrow.click('text=Compare with the data now');
        if (path.includes('backups/') || path.includes('restore')) {
          await narrow.waitForSelector('.counters');
          await narrow.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
          const text = await narrow.locator('main').innerText();
          for (const part of ['<img src=x onerror="window.hacked=1">.txt', '🙂 emoji.txt']) if (!text.includes(part)) wrong.push(`${path}: ${part} is not shown`);
        }
        const state = await narrow.evaluate(() => ({ hacked: window.hacked, wide: document.documentElement.scrollWidth - window.innerWidth, images: document.querySelectorAll('main img, main b, main script').length }));
        if (state.hacked || state.images > 0) wrong.push(`${path}: markup came through`);
        if (state.wide > 0) wrong.push(`${path}: ${state.wide} px too wide`);
      }
      await narrow.context().close();
      return wrong;
    });
    await criterion('F9', 'an upload is checked first, can be stopped, goes on after a broken connection, and is previewed', async () => {
      const wrong = [];
      await tab.go('/restore/upload');
      await tab.getByLabel('Into which plan').selectOption('shop');
      const file = (name, buffer) => tab.setInputFiles('input[type=file]', { name, mimeType: 'application/octet-stream', buffer });
      let sent = 0;
      tab.on('request', (request) => (sent += request.url().includes('/uploads/') ? 1 : 0));
      await file('notes.txt', Buffer.from('x'));
      await tab.waitForSelector('.wrong:has-text("This is not a type that can be restored")');
      await tab.click('text=Upload and preview');
      if (sent > 0) wrong.push('a wrong type was sent');
      const backup = await newest('shop');
      const answer = await stand.api('GET', `/backups/${backup.id}/download`);
      const whole = Buffer.from(await answer.arrayBuffer());
      // The first pieces break.
      let breaks = 2;
      await tab.route('**/uploads/pieces/*', (route) => (route.request().method() === 'PATCH' && breaks-- > 0 ? route.abort('connectionreset') : route.continue()));
      await file('shop.zip', whole);
      await tab.click('text=Upload and preview');
      await tab.waitForSelector('text="Restore will replace all data. Continue?"', { timeout: 30_000 });
      await tab.unroute('**/uploads/pieces/*');
      if (breaks > 0) wrong.push('no piece broke');
      return wrong;
    });
    await criterion('S4', 'a token is shown once, a secret never again', async () => {
      await tab.go('/settings/tokens');
      await tab.getByLabel('Name').fill('script');
      await tab.click('button[type=submit]');
      await tab.waitForSelector('text=Copy it now');
      const secret = await tab.locator('.note.good code').innerText();
      await tab.go('/settings/tokens');
      const wrong = (await tab.content()).includes(secret) ? ['the token is still there'] : [];
      await stand.json('POST', '/destinations/cloud', { type: 'webdav', url: 'https://127.0.0.1:9/x', user: 'me', password: 'canary-of-webdav' });
      await tab.go('/destinations/cloud');
      if ((await tab.content()).includes('canary-of-webdav')) wrong.push('the password is in the page');
      if (!(await tab.isVisible('text=Set. Leave it empty to keep it.'))) wrong.push('it does not say that the password is set');
      return wrong;
    });
  } finally {
    await tab.context().close();
    await stand.stop();
  }
}

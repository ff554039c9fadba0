// Makes the pictures of the README and the docs: the page as it is, on the sample application of the demo.
// `make pictures` runs this; it decides nothing but that each picture is there and small.
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NARROW, page, settled } from './browser.mjs';
import { Demo } from './demo.mjs';

const OUT = new URL('../../docs/pictures/', import.meta.url).pathname;
const LARGEST = 150_000;

/** The demo with copies on another disk as well, as people have it who want to sleep. */
const toml = (away) => `# Made by \`recoup demo\`: a small shop, and how it is backed up. Change what you like.
[destination.here]
path = "backups"
[destination.nas]
path = "${away}"
[plan.shop]
schedule = { every = "daily", at = "03:00" }
databases = ["shop.db"]
directories = ["thumbs"]
destinations = ["here", "nas"]
[plan.shop.retention]
preset = "7-4-12"
[notify.phone]
ntfy = "http://127.0.0.1:9/recoup"
on = ["failure"]
`;

export default async function ({ browser, criterion }) {
  mkdirSync(OUT, { recursive: true });
  const away = mkdtempSync('/dev/shm/recoup-pictures-');
  const stand = await Demo.start(toml(away));
  try {
    const tab = await page(browser, stand, { size: { width: 1180, height: 740 }, timezoneId: 'Europe/Berlin' });
    await stand.still();
    const take = (name, act, { from = tab, whole = false } = {}) =>
      criterion('D', `picture ${name}`, async () => {
        await act(from);
        await settled(from);
        // Nothing is in focus, no message lies over it.
        await from.evaluate(() => document.activeElement?.blur());
        const path = join(OUT, `${name}.png`);
        await from.screenshot({ path, fullPage: whole });
        const { size } = statSync(path);
        return size < LARGEST ? [] : [`${size} bytes`];
      });
    const backup = (await stand.ask('/backups?plan=shop&state=restored')).items[0].id;
    await take('overview', () => tab.go('/'));
    await take('backup', () => tab.go(`/backups/${backup}`));
    await take('restore', async () => {
      await tab.go(`/restore/${backup}`);
      await tab.click('text=Show what will happen');
      await tab.waitForSelector('.counters');
      await tab.locator('.counters').scrollIntoViewIfNeeded();
    });
    await take('calendar', () => tab.go('/calendar'));
    await take('files', () => tab.go(`/backups/${backup}/files?part=shop&table=orders`));
    const phone = await page(browser, stand, { size: NARROW, timezoneId: 'Europe/Berlin' });
    await take('phone', () => phone.go('/'), { from: phone });
    await phone.context().close();
    await take('run', async () => {
      // Enough to watch it for a while.
      const film = join(stand.folder, 'thumbs/film.bin');
      writeFileSync(film, randomBytes(400 << 20));
      await tab.go('/plans/shop');
      await tab.click('.head button:has-text("Back up now")');
      await tab.click('.head a:has-text("Open the run")');
      await tab.waitForFunction(() => /[1-9]\d %/.test(document.querySelector('main')?.innerText ?? ''), undefined, { timeout: 120_000 });
      rmSync(film);
      await tab.click('.toast button').catch(() => undefined);
    });
    await tab.context().close();
  } finally {
    await stand.stop();
    rmSync(away, { recursive: true, force: true });
  }
}

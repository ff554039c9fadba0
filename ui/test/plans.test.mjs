// What is done with several plans and with everything at once: pausing for a while, choosing what is backed up, the order of
// the table, the bar of chosen plans. By keyboard; what happened is asked of the server.
import { axe, NARROW, page, settled } from './browser.mjs';
import { reach } from './journeys.test.mjs';
import { Stand, until } from './stand.mjs';

const schedule = { every: 'weekly', at: '02:30', zone: 'Europe/Berlin' };
/** As the page says it, in the server's zone. */
const time = (at) => new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit', minute: '2-digit' }).format(new Date(at));

export default async function ({ browser, criterion }) {
  const stand = await Stand.start();
  const tab = await page(browser, stand);
  const press = async (name, role = 'BUTTON') => {
    await reach(tab, name, role);
    await tab.keyboard.press('Enter');
  };
  const item = async (name) => {
    await tab.waitForSelector('[role=menu]:popover-open');
    await tab.getByRole('menuitem', { name }).press('Enter');
  };
  const paused = async () => (await stand.json('GET', '/scheduler')).paused;
  const cards = async () => (await stand.json('GET', '/overview?plans=500')).plans;
  const enabled = async () => Object.fromEntries((await cards()).map((card) => [card.name, card.enabled]));
  const backups = async () => Object.fromEntries((await cards()).map((card) => [card.name, card.backups]));
  const rows = () => tab.$$eval('tbody tr > th a', (all) => all.map((one) => one.textContent));
  try {
    for (const name of ['books', 'zoo', 'plan-10', 'plan-9']) {
      await stand.json('POST', '/plans', { name, plan: { databases: [`${stand.folder}/shop.db`], destinations: ['here'], schedule } });
    }
    await stand.backUp('shop');
    await stand.backUp('books');
    await criterion('S3', 'everything is paused for an hour and until tomorrow, and every page says until when', async () => {
      const wrong = [];
      await tab.go('/', 'article');
      await press('Pause');
      await item('For 1 hour');
      await tab.waitForSelector('.banner.warning:has-text("Everything is paused until")');
      let end = (await paused()).until;
      const left = (Date.parse(end) - Date.now()) / 60_000;
      if (left < 55 || left > 60) wrong.push(`it ends in ${left} min`);
      const told = [await tab.textContent('.banner.warning'), await tab.evaluate(() => document.activeElement?.textContent)];
      for (const text of told) if (!text.includes(time(end))) wrong.push(`${time(end)} is not in "${text}"`);
      wrong.push(...(await axe(tab)));
      await press('Paused until');
      await item('Until tomorrow, 00:00 (Europe/Berlin)');
      await tab.waitForSelector('.banner.warning:has-text(", 00:00")');
      end = (await paused()).until;
      if (time(end) !== '00:00' || Date.parse(end) - Date.now() > 25 * 3_600_000) wrong.push(`tomorrow is ${end}`);
      const phone = await page(browser, stand, { size: NARROW, dark: true });
      await phone.go('/plans');
      await phone.waitForSelector('.banner.warning:has-text("Everything is paused until")');
      wrong.push(...(await axe(phone)));
      await phone.locator('.banner.warning button').press('Enter');
      await phone.waitForSelector('.banner.warning', { state: 'detached' });
      const focus = await phone.evaluate(() => document.activeElement?.tagName);
      if (focus !== 'MAIN') wrong.push(`after resuming the focus is on ${focus}`);
      if ((await paused()) !== null) wrong.push('it is still paused');
      await phone.context().close();
      return wrong;
    });
    await criterion('S3', 'a pause that has ended goes from the page by itself', async () => {
      await stand.json('POST', '/scheduler/pause', { until: '8s' });
      await tab.go('/plans');
      await tab.waitForSelector('.banner.warning:has-text("Everything is paused until")');
      await tab.waitForSelector('.banner.warning', { state: 'detached', timeout: 30_000 });
      return (await paused()) === null ? [] : ['the server has it still'];
    });
    await criterion('S3', 'plans are chosen that are backed up now; what does not work is told of each', async () => {
      const wrong = [];
      const before = await backups();
      await tab.go('/', 'article');
      await reach(tab, 'What is backed up now', 'BUTTON');
      await tab.keyboard.press('ArrowDown');
      await item('Choose plans…');
      await tab.waitForSelector('.dialog .check');
      wrong.push(...(await axe(tab)));
      // Somebody takes one away meanwhile.
      await stand.api('DELETE', '/plans/plan-9');
      for (const name of ['zoo', 'plan-9']) await tab.locator('.dialog').getByLabel(name).press('Space');
      await tab.getByRole('button', { name: 'Back up 2 plans' }).press('Enter');
      await tab.waitForSelector('.dialog .note.bad:has-text("plan-9:")').catch(() => wrong.push('plan-9 is not told of'));
      await until('a backup of zoo', async () => (await backups()).zoo === 1);
      await tab.keyboard.press('Escape');
      await tab.waitForSelector('.dialog', { state: 'detached' });
      const after = await backups();
      for (const name of ['shop', 'books', 'plan-10']) if (after[name] !== before[name]) wrong.push(`${name} was backed up`);
      return wrong;
    });
    await criterion('S3', 'a plan is paused from the menu of its card, and that is undone; one of the file offers none of it', async () => {
      const wrong = [];
      await tab.go('/', 'article');
      await press('Actions for books');
      await item('Pause');
      await until('the pause', async () => (await enabled()).books === false);
      await tab.locator('.toast >> text=Undo').press('Enter');
      await until('the undo', async () => (await enabled()).books === true);
      await press('Actions for shop');
      const items = await tab.$$eval('[role=menu]:popover-open [role=menuitem]', (all) => all.map((one) => one.textContent));
      if (items.some((text) => /Pause|Edit/.test(text)) || !items.some((text) => text.startsWith('Restore the latest'))) wrong.push(`shop offers ${items}`);
      return wrong;
    });
    await criterion('S4', 'the table is put in order by its headings and on a phone by a choice; the address says which', async () => {
      const wrong = [];
      await tab.go('/plans');
      const sorted = async (heading, key, way) => {
        await reach(tab, heading, 'BUTTON');
        await tab.keyboard.press('Enter');
        await settled(tab);
        const now = await tab.$$eval('th[aria-sort]', (all) => all.map((one) => `${one.textContent.replace('Choose all that are shown', '')} ${one.getAttribute('aria-sort')}`));
        if (String(now) !== (way ? `${heading} ${way}` : '')) wrong.push(`${heading}: aria-sort is ${now}`);
        const address = new URL(tab.url()).searchParams.get('sort');
        if (address !== key) wrong.push(`${heading}: the address says ${address}`);
        return rows();
      };
      const before = await rows();
      const names = await sorted('Plan', 'name', 'ascending');
      if (String(names) !== 'books,photos,plan-10,recoup-catalog,shop,zoo') wrong.push(`by name: ${names}`);
      const down = await sorted('Plan', '-name', 'descending');
      if (String(down) !== String([...names].reverse())) wrong.push(`by name, down: ${down}`);
      const none = await sorted('Plan', null, undefined);
      if (String(none) !== String(before)) wrong.push(`not in order: ${none}, before ${before}`);
      const known = await cards();
      const of = (key) => (name) => known.find((card) => card.name === name)[key];
      const rising = (all, key) => all.map(of(key)).filter(Boolean).every((value, at, list) => at === 0 || list[at - 1] <= value);
      for (const [heading, key, field] of [['Size', 'size', 'bytes'], ['Next run', 'next', 'next_run'], ['Last good run', 'last', 'last_success']]) {
        const all = await sorted(heading, key, 'ascending');
        if (!rising(all, field)) wrong.push(`${heading}: ${all.map(of(field))}`);
        if (field === 'last_success' && !all.slice(-1).every((name) => of(field)(name) === null)) wrong.push(`what never ran is not last: ${all}`);
      }
      const states = await sorted('State', 'state', 'ascending');
      if (states[0] !== 'photos') wrong.push(`by state: ${states}`);
      wrong.push(...(await axe(tab)));
      const phone = await page(browser, stand, { size: NARROW });
      await phone.go('/plans?sort=-name');
      if ((await phone.getByLabel('Order').inputValue()) !== '-name') wrong.push('the choice is not that of the address');
      wrong.push(...(await axe(phone)));
      await phone.getByLabel('Order').selectOption({ label: 'Plan, ascending' });
      const first = await phone.locator('tbody tr > th a').first().textContent();
      if (first !== 'books') wrong.push(`on the phone ${first} is first`);
      await phone.context().close();
      return wrong;
    });
    await criterion('S4', 'several plans are paused, resumed and backed up together; those of the file say why not', async () => {
      const wrong = [];
      const bar = (name) => tab.locator('.chosen').getByRole('button', { name, exact: true });
      await tab.go('/plans?sort=name');
      await tab.locator('thead').getByLabel('Choose all that are shown').press('Space');
      await tab.waitForSelector('.chosen:has-text("6 chosen")');
      wrong.push(...(await axe(tab)));
      await bar('Pause').press('Enter');
      await tab.waitForSelector('.note.bad:has-text("With 3 plans it did not work")');
      const told = await tab.$$eval('.note.bad p', (all) => all.map((one) => one.textContent));
      for (const name of ['photos', 'shop', 'recoup-catalog']) if (!told.some((line) => line.startsWith(`${name}: `) && line.length > name.length + 9)) wrong.push(`of ${name} it says ${told}`);
      const now = await enabled();
      if (now.books || now.zoo || now['plan-10'] || !now.shop || !now.photos) wrong.push(`after the pause: ${JSON.stringify(now)}`);
      // What did not work stays chosen.
      await tab.waitForSelector('.chosen:has-text("3 chosen")');
      await tab.locator('.toast >> text=Undo').press('Enter');
      await until('the undo', async () => Object.values(await enabled()).every(Boolean));
      await tab.go('/plans?state=never_run');
      const before = await backups();
      await tab.getByLabel('Choose plan-10').press('Space');
      await bar('Back up now').press('Enter');
      await until('a backup', async () => (await backups())['plan-10'] === before['plan-10'] + 1);
      const phone = await page(browser, stand, { size: NARROW, dark: true });
      await phone.go('/plans');
      await phone.locator('.above').getByLabel('Choose all that are shown').check();
      await phone.waitForSelector('.chosen:has-text("6 chosen")');
      await phone.getByLabel('Search plans').fill('oo');
      await phone.click('.chosen [aria-haspopup=menu]');
      wrong.push(...(await axe(phone)));
      await phone.getByRole('menuitem', { name: 'Pause' }).click();
      await until('the pause', async () => Object.entries(await enabled()).filter(([, on]) => !on).map(([name]) => name).sort().join() === 'books,zoo');
      await phone.waitForSelector('.chosen', { state: 'detached' });
      await phone.context().close();
      return wrong;
    });
  } finally {
    await tab.context().close();
    await stand.stop();
  }
}

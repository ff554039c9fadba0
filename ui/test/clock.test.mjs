// What the page says about time, on a daemon whose clock is moved: the next run is the one that runs, also where clocks
// change; a day stays what it was when its backup is gone.
import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { page, settled } from './browser.mjs';
import { Stand } from './stand.mjs';

const DAY = 86_400_000;
const iso = (at) => new Date(at).toISOString();
const SERVER = '[server]\ncheck_interval = "1s"\nopen_metrics = true\n[destination.here]\npath = "backups"\n';

/** Changes of clocks: the plan runs daily at a time that does not exist on that day, or exists twice. */
const CHANGES = [
  ['2027-03-14', 'America/New_York', '02:30'],
  ['2027-03-28', 'Europe/Berlin', '02:30'],
  ['2027-04-04', 'Australia/Lord_Howe', '01:45'],
  ['2027-10-03', 'Australia/Lord_Howe', '02:15'],
  ['2027-10-31', 'Europe/Berlin', '02:30'],
  ['2027-11-07', 'America/New_York', '01:30'],
];
const planOf = ([date, zone]) => `${zone.split('/')[1].toLowerCase().replace('_', '-')}-${date}`;

async function signedIn(tab, stand) {
  const [name, value] = stand.cookie.split('=');
  await tab.context().addCookies([{ name, value, url: stand.url }]);
}

export default async function ({ browser, criterion }) {
  await criterion('F5', 'the next run that is shown is the one that runs, where clocks change, seen from another zone', async () => {
    const plans = CHANGES.map((one) => `[plan.${planOf(one)}]\ndatabases = ["shop.db"]\ndestinations = ["here"]\ntest_restore = "never"\nschedule = { every = "daily", at = "${one[2]}", zone = "${one[1]}", skip_if_later_than = "1h" }\n`);
    const stand = await Stand.start({ toml: SERVER + plans.join(''), clock: '2027-03-01T12:00:00Z' });
    const tab = await page(browser, stand);
    const wrong = [];
    try {
      const runs = (plan) => stand.catalog(`SELECT due_at FROM run WHERE plan_name = '${plan}' AND kind = 'backup' AND outcome = 'good' ORDER BY due_at`).map((row) => row.due_at);
      for (const change of CHANGES) {
        const [plan, zone] = [planOf(change), change[1]];
        const shown = async () => {
          await signedIn(tab, stand);
          await tab.go('/plans/' + plan);
          // What has a title is an age.
          const found = tab.locator('main time:not([title])').first();
          return { at: await found.getAttribute('datetime'), text: await found.innerText() };
        };
        await stand.set(iso(Date.parse(`${change[0]}T00:00Z`) - 0.6 * DAY));
        // The day of the change and the one after.
        for (let night = 0; night < 2; night++) {
          const next = await shown();
          const meant = Date.parse(next.at);
          const local = execFileSync('date', ['-d', next.at, '+%H:%M'], { encoding: 'utf8', env: { ...process.env, TZ: zone } }).trim();
          if (!next.text.includes(local)) wrong.push(`${plan}: it shows ${next.text}, in ${zone} it is ${local}`);
          const before = runs(plan).length;
          await stand.set(iso(meant - 20_000));
          if (runs(plan).length !== before) wrong.push(`${plan}: it ran before ${next.at}`);
          const still = night === 0 ? await shown() : next;
          if (still.at !== next.at) wrong.push(`${plan}: it shows ${next.at}, just before ${still.at}`);
          await stand.set(iso(meant + 5_000));
          const ran = runs(plan);
          if (ran.length !== before + 1 || ran.at(-1) !== meant) wrong.push(`${plan}: shown ${next.at}, ran ${ran.slice(before).map(iso)}`);
        }
      }
    } finally {
      await tab.context().close();
      await stand.stop();
    }
    return wrong.length > 0 ? wrong : `${CHANGES.length * 2} runs`;
  });

  await criterion('F4', 'after 20 days were removed no day turns missed: they fade, what failed or was missed does not', async () => {
    const start = Math.floor((Date.now() - 28 * DAY) / DAY) * DAY + 3 * 3_600_000;
    const plan = '[plan.shop]\ndatabases = ["shop.db"]\ndestinations = ["here"]\ntest_restore = "never"\nschedule = { every = "daily", at = "03:00", zone = "UTC", skip_if_later_than = "1h" }\n';
    const stand = await Stand.start({ toml: `${SERVER}${plan}[plan.shop.retention]\nkeep_count = 3\n`, clock: iso(start - 3_600_000) });
    const tab = await page(browser, stand);
    try {
      const [database, away] = [join(stand.folder, 'shop.db'), join(stand.folder, 'away.db')];
      const [failed, missed] = [4, 7];
      const all = 25;
      for (let day = 0; day < all; day++) {
        if (day === failed) renameSync(database, away);
        else execFileSync('sqlite3', [database, `INSERT INTO orders (customer, total) VALUES ('later', ${day})`]);
        await stand.set(iso(start + day * DAY + (day === missed ? 9 * 3_600_000 : 5_000)));
        if (day === failed) renameSync(away, database);
      }
      const left = (await stand.json('GET', '/backups?plan=shop&limit=100')).items.length;
      await signedIn(tab, stand);
      await tab.go('/calendar?plan=shop');
      await settled(tab);
      const days = await tab.$$eval('.heat .day[data-date]', (found) => found.map((one) => ({ date: one.dataset.date, looks: one.className, name: one.getAttribute('aria-label') })));
      const wrong = [];
      for (let day = 0; day < all; day++) {
        const date = iso(start + day * DAY).slice(0, 10);
        const found = days.find((one) => one.date === date);
        const faded = day < all - left;
        const looks = day === failed ? 'day failed' : day === missed ? 'day missed' : `day good${faded ? ' faded' : ''}`;
        if (found?.looks !== looks) wrong.push(`${date}: ${found?.looks} instead of ${looks}`);
        if (looks.endsWith('faded') !== Boolean(found?.name.includes('its backups were removed since'))) wrong.push(`${date}: is called ${found?.name}`);
      }
      const missing = days.filter((one) => one.looks.includes('missed')).length;
      if (missing !== 1) wrong.push(`${missing} days are missed`);
      if (!(await tab.locator('.legend').innerText()).includes('its backups were removed since')) wrong.push('the legend does not say what faded means');
      return wrong.length > 0 ? wrong : `${left} of ${all - 2} backups are left`;
    } finally {
      await tab.context().close();
      await stand.stop();
    }
  });
}

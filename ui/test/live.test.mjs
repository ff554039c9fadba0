// While something runs: the run's page from the press to the end, a press that counts once, a stream that breaks, a daemon
// that dies; hostile names.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { axe, NARROW, page, settled, WIDE } from './browser.mjs';
import { proxy } from './proxy.mjs';
import { freePort, Stand, TOML, until, wait } from './stand.mjs';

const HOSTILE = ['<img src=x onerror=alert(1)>', 'a\u202Egpj.exe', `${'long'.repeat(60)}.txt`, 'line\nbreak', 'schön 🦊'];

/** A plan that takes a few seconds: a hook waits before the data is read. */
const SLOW = (stand) => `${TOML(stand)}
[plan.slow]
databases = ["shop.db"]
destinations = ["here"]
[plan.slow.hooks]
before_backup = [["sleep", "6"]]
[plan.long]
databases = ["shop.db"]
destinations = ["here"]
[plan.long.hooks]
before_backup = [["sh", "-c", "until [ -e '${stand.folder}/open' ]; do sleep 0.05; done"]]
[plan.names]
directories = ["names"]
destinations = ["here"]
`;

export default async function ({ browser, criterion }) {
  const stand = await Stand.start({ toml: SLOW });
  mkdirSync(join(stand.folder, 'names'));
  for (const name of HOSTILE) writeFileSync(join(stand.folder, 'names', name), 'x');
  try {
    await criterion('F8', 'two presses at once make one run', async () => {
      const tab = await page(browser, stand);
      await tab.go('/plans/slow');
      await tab.locator('.head button.primary').dblclick();
      await tab.waitForSelector('.strip a');
      const { items } = await stand.json('GET', '/runs?plan=slow');
      await tab.context().close();
      return items.length === 1 ? [] : [`${items.length} runs`];
    });

    await criterion('D1', 'what was written since the last copy elsewhere is told, and no more once it is copied', async () => {
      const tab = await page(browser, stand);
      const told = tab.getByText('The data was written to since then');
      const wrong = [];
      await stand.backUp('shop');
      await tab.go('/');
      await tab.waitForSelector('.recovery .sentence');
      if (await told.count()) wrong.push('it is told of data that did not change');
      execFileSync('sqlite3', [join(stand.folder, 'shop.db'), "INSERT INTO orders VALUES (7001, 'new', 1)"]);
      await tab.go('/');
      await told.waitFor({ timeout: 5_000 }).catch(() => wrong.push('a new row is not told'));
      await stand.backUp('shop');
      await tab.go('/');
      await tab.waitForSelector('.recovery .sentence');
      if (await told.count()) wrong.push('it is still told after the backup');
      await tab.context().close();
      return wrong;
    });

    await criterion('P7', 'a press shows that something happens before the server has answered', async () => {
      const tab = await page(browser, stand);
      await tab.go('/plans/shop');
      let answer;
      const asked = new Promise((told) => tab.route('**/plans/shop/run', (route) => (told(), (answer = () => route.continue()))));
      await tab.click('.head button.primary');
      await asked;
      const wrong = (await tab.getAttribute('.head button.primary', 'aria-busy')) ? [] : ['the button is not busy'];
      await answer();
      await tab.waitForSelector('.head button.primary:not([aria-busy])');
      await tab.context().close();
      return wrong;
    });

    await criterion('P9', 'half an hour of a run that tells something four times a second costs no memory', async () => {
      const { run: id } = await stand.json('POST', '/plans/long/run', {});
      const port = await freePort();
      const between = await proxy(port, stand.port);
      const tab = await page(browser, { url: `http://127.0.0.1:${port}`, cookie: stand.cookie });
      try {
        await tab.clock.install();
        await tab.go(`/runs/${id}`);
        await tab.waitForSelector('.pill.live');
        const wire = await tab.context().newCDPSession(tab);
        await wire.send('Performance.enable');
        const heap = async () => {
          for (let n = 0; n < 2; n++) await wire.send('HeapProfiler.collectGarbage');
          const { metrics } = await wire.send('Performance.getMetrics');
          return metrics.find((one) => one.name === 'JSHeapUsedSize').value / 1e6;
        };
        let done = 0;
        /** So many minutes, ten seconds at once. */
        const pass = async (minutes) => {
          for (let n = 0; n < minutes * 6; n++) {
            for (let event = 0; event < 40; event++) {
              done += 1;
              const progress = { phase: 'Copying data', what: `file ${done}`, done: done * 1e6, total: 9e9 };
              between.say(`event: run\ndata: ${JSON.stringify({ run: id, plan: 'long', state: 'running', progress, line: `2026-11-21T12:00:00Z line ${done}` })}\n\n`);
            }
            // What was said is there before time goes on: the page must not take it for silence.
            const there = () => tab.evaluate((text) => document.querySelector('main').innerText.includes(text), `file ${done}`);
            for (let tries = 0; !(await there()); tries++) {
              if (tries > 500) throw new Error(`file ${done} is not shown`);
              await wait(20);
            }
            await tab.clock.fastForward(10_000);
          }
        };
        await pass(2);
        const before = await heap();
        await pass(30);
        const grown = (await heap()) - before;
        const told = `${before.toFixed(1)} MB, ${grown.toFixed(1)} MB of 10 MB more`;
        return grown <= 10 ? told : [told];
      } finally {
        writeFileSync(join(stand.folder, 'open'), '');
        await tab.context().close();
        between.close();
        await stand.ended_run(id);
      }
    });

    await criterion('F1', 'the page of a run goes from running to its end by itself', async () => {
      const run = (await stand.json('GET', '/runs?plan=slow')).items[0];
      if (run.state !== 'done') await stand.ended_run(run.id);
      const { run: id } = await stand.json('POST', '/plans/slow/run', {});
      const tab = await page(browser, stand);
      await tab.go(`/runs/${id}`);
      await tab.getByText('You can close this page.').waitFor();
      const wrong = (await axe(tab)).map((line) => `while it runs: ${line}`);
      await tab.getByText('Backup finished:').waitFor({ timeout: 60_000 });
      await settled(tab);
      if (await tab.getByText('You can close this page.').count()) wrong.push('still says that it runs');
      await tab.context().close();
      return wrong;
    });

    await criterion('F1', 'a run is stopped from its page, and says so', async () => {
      const { run: id } = await stand.json('POST', '/plans/slow/run', {});
      const tab = await page(browser, stand, { size: NARROW });
      await tab.go(`/runs/${id}`);
      await tab.waitForSelector('.pill.live');
      await tab.click('.head button >> text=Stop');
      await tab.waitForSelector('[role=dialog]');
      const wrong = (await axe(tab)).map((line) => `dialog: ${line}`);
      await tab.keyboard.press('Escape');
      await tab.waitForSelector('[role=dialog]', { state: 'detached' });
      if (!(await tab.evaluate(() => document.activeElement.textContent === 'Stop'))) wrong.push('the focus did not come back to the button');
      await tab.click('.head button >> text=Stop');
      await tab.click('[role=dialog] button >> text=Stop the run');
      await tab.getByText('It was stopped.').waitFor({ timeout: 60_000 });
      await tab.context().close();
      return wrong;
    });

    await criterion('F6', 'a failed run is explained in plain words, with the code and what to do', async () => {
      const run = await stand.backUp('photos');
      const tab = await page(browser, stand);
      await tab.go(`/runs/${run.id}`);
      const text = await tab.locator('section.card.bad').innerText();
      await tab.context().close();
      const wanted = ['The data is not there', 'Is the folder mounted', 'source_missing', 'Try again'];
      return wanted.filter((one) => !text.includes(one)).map((one) => `missing: ${one}`);
    });

    await criterion('F7', 'a daemon that dies is told within 15 s, what was there stays, and it recovers by itself', async () => {
      const tab = await page(browser, stand, { size: WIDE });
      await tab.go('/');
      await stand.down('SIGKILL');
      const began = Date.now();
      await tab.getByText('The server does not answer since').waitFor({ timeout: 20_000 });
      const told = (Date.now() - began) / 1000;
      const wrong = told <= 15 ? [] : [`told after ${told} s`];
      if (!(await tab.locator('article').count())) wrong.push('the plans are gone from the page');
      if ((await tab.locator('.age').getAttribute('data-state')) !== 'offline') wrong.push('the dot does not say offline');
      await stand.up();
      await tab.getByText('The server does not answer since').waitFor({ state: 'detached', timeout: 20_000 });
      await tab.waitForSelector('.age[data-state=live]', { timeout: 20_000 });
      await tab.context().close();
      return wrong.length > 0 ? wrong : `after ${told.toFixed(1)} s`;
    });

    await criterion('F7', 'without the stream the page says so and asks instead', async () => {
      const tab = await page(browser, stand);
      await tab.route('**/api/v1/events', (route) => route.abort());
      await tab.go('/');
      await tab.getByText('Live updates stopped.').waitFor({ timeout: 15_000 });
      const before = await tab.locator('section:has(#recent) li').count();
      await stand.backUp('shop');
      await until('the new run on the page', async () => (await tab.locator('section:has(#recent) li').count()) > before || before === 8, 15);
      await tab.unroute('**/api/v1/events');
      await tab.getByText('Live updates stopped.').waitFor({ state: 'detached', timeout: 20_000 });
      const rows = await tab.locator('section:has(#recent) li a').evaluateAll((links) => links.map((link) => link.href));
      await tab.context().close();
      return rows.length === new Set(rows).size ? [] : ['the same run twice'];
    });

    await criterion('F7', 'a stream that is silent for a minute: told within 15 s, the page asks meanwhile, and recovers by itself', async () => {
      const port = await freePort();
      const between = await proxy(port, stand.port);
      const front = { url: `http://127.0.0.1:${port}`, cookie: stand.cookie };
      const tab = await page(browser, front);
      const wrong = [];
      try {
        // The clock of the page is moved by hand: a minute passes at once.
        await tab.clock.install();
        await tab.go('/');
        await tab.waitForSelector('.age[data-state=live]');
        await tab.evaluate(() => (window.same = true));
        const runs = () => tab.locator('section:has(#recent) li a').evaluateAll((links) => links.map((link) => link.href));
        const told = tab.getByText('Live updates stopped.');
        // Answers take real time.
        const pass = async (seconds) => {
          for (let n = 0; n < seconds; n++) {
            await tab.clock.runFor(1_000);
            await wait(100);
          }
        };
        between.held = true;
        await pass(15);
        await told.waitFor({ timeout: 5_000 }).catch(() => wrong.push('nothing is told after 15 s'));
        const run = await stand.backUp('shop');
        await pass(20);
        await until('the new run on the page', async () => (await runs()).some((one) => one.endsWith(run.id)), 10).catch(() => wrong.push('the page did not ask'));
        await pass(25);
        if (!(await told.count())) wrong.push('after a minute it is not told any more');
        const later = await stand.backUp('shop');
        between.held = false;
        for (let seconds = 0; (await told.count()) && seconds < 30; seconds += 3) {
          await pass(3);
        }
        if (await told.count()) wrong.push('30 s after the minute the page still has no stream');
        await tab.waitForSelector('.age[data-state=live]');
        await until('what was missed', async () => (await runs()).some((one) => one.endsWith(later.id)), 10);
        const all = await runs();
        if (all.length !== new Set(all).size) wrong.push('the same run twice');
        if (!(await tab.evaluate(() => window.same))) wrong.push('the page was loaded anew');
        // One stream at a time, and a few questions: nothing is asked in a loop.
        const asked = between.asked.get('/api/v1/overview');
        return wrong.length > 0 || asked > 30 ? [...wrong, `${asked} times asked for the overview`] : `${asked} times asked`;
      } finally {
        await tab.context().close();
        between.close();
      }
    });

    await criterion('S3', 'hostile names are text, and the page keeps its shape', async () => {
      const run = await stand.backUp('names');
      const wrong = [];
      for (const size of [WIDE, NARROW]) {
        const tab = await page(browser, stand, { size });
        let ran = false;
        tab.on('dialog', (dialog) => ((ran = true), dialog.dismiss()));
        // A plan of such a name cannot be made, but asked for.
        for (const path of [`/runs/${run.id}`, `/plans/${encodeURIComponent(HOSTILE[0])}`, `/runs/${encodeURIComponent(HOSTILE[4])}`, `/plans?q=${encodeURIComponent(HOSTILE[0])}`, `/${'deep/'.repeat(200)}`]) {
          await tab.go(path);
          const facts = await tab.evaluate(() => ({ images: document.querySelectorAll('main img').length, wide: document.documentElement.scrollWidth - window.innerWidth }));
          if (facts.images) wrong.push(`${path}: an image`);
          if (facts.wide > 0) wrong.push(`${path}: ${facts.wide} px too wide`);
        }
        if (ran) wrong.push('a script ran');
        await tab.context().close();
      }
      return wrong;
    });

    await criterion('A8', 'the start and the end of a run are announced once each', async () => {
      const tab = await page(browser, stand);
      await tab.go('/');
      await tab.evaluate(() => {
        window.told = [];
        const region = document.querySelector('p[role=status].hidden');
        new MutationObserver(() => region.textContent && window.told.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
      });
      const run = await stand.backUp('slow');
      await stand.ended_run(run.id);
      await wait(3000);
      const told = await tab.evaluate(() => window.told.filter((text) => text.includes('slow')));
      await tab.context().close();
      const [begins, ends] = [told.filter((text) => text.startsWith('Backing up')), told.filter((text) => text.startsWith('Ended'))];
      return begins.length === 1 && ends.length === 1 ? [] : [JSON.stringify(told)];
    });
  } finally {
    await stand.stop();
  }
}

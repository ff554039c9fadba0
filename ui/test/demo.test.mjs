// What somebody meets who types `make run`: an address that signs in with one press, and a page on which the sample
// application is protected and proven, with weeks behind it.
import { axe, page } from './browser.mjs';
import { Demo } from './demo.mjs';

export default async function ({ browser, criterion }) {
  const demo = await Demo.start();
  const enter = async (tab) => {
    await tab.goto(`${demo.url}/sign-in#${demo.given}`);
    await tab.click('button[type=submit]');
    await tab.waitForSelector('.shell');
  };
  try {
    await criterion('S1', 'the address that the demo prints signs in with one press, and keeps no password', async () => {
      const tab = await page(browser, demo, { cookie: '' });
      await enter(tab);
      const url = tab.url();
      await tab.context().close();
      return url.includes(demo.password) ? [url] : [];
    });
    await criterion('S3', 'it opens on an application that is protected and proven, with weeks of history', async () => {
      await demo.still();
      const tab = await page(browser, demo);
      await tab.go('/');
      const wrong = await axe(tab);
      const text = await tab.innerText('main');
      for (const said of ['The one plan is protected.', 'Test restore']) if (!text.includes(said)) wrong.push(`it does not say: ${said}`);
      // One day more or less: whether today has had its backup yet depends on the hour.
      if (!/In the last 30 days: 2[1-4] days good and 1 failed\./.test(text)) wrong.push(`the days: ${/In the last 30 days[^\n]*/.exec(text)}`);
      const runs = (await demo.ask('/runs?plan=shop&kind=backup&limit=100')).items;
      const bad = runs.filter((run) => run.outcome !== 'good').map((run) => `${run.queued_at} ${run.outcome}`);
      if (runs.length < 20 || bad.length !== 1) wrong.push(`${runs.length} runs, ${bad}`);
      if (!runs.some((run) => run.missed === 1)) wrong.push('no run stands for a missed one');
      await tab.context().close();
      return wrong;
    });
    await criterion('S1', 'started again it goes on with what is there, and the new address works', async () => {
      const before = (await demo.ask('/runs?plan=shop&kind=backup&limit=200')).items.length;
      await demo.down();
      await demo.up();
      await demo.still();
      const tab = await page(browser, demo, { cookie: '' });
      await enter(tab);
      await tab.context().close();
      const after = (await demo.ask('/runs?plan=shop&kind=backup&limit=200')).items.length;
      return after === before + 1 ? [] : [`${before} runs, then ${after}`];
    });
  } finally {
    await demo.stop();
  }
}

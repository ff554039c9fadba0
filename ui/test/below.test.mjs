// Behind a proxy, below a path: one that takes the path away and one that leaves it. Deep links, the sign-in, the API, the
// live stream and every file of the page stay below the path.
import { page, settled, signIn } from './browser.mjs';
import { proxy } from './proxy.mjs';
import { freePort, Stand, TOML } from './stand.mjs';

export default async function ({ browser, criterion }) {
  const front = await freePort();
  const stand = await Stand.start({ toml: (one) => `[server]\npublic_url = "http://127.0.0.1:${front}/backup/"\n${TOML(one)}` });
  try {
    for (const [takesAway, words] of [[true, 'takes the path away'], [false, 'leaves the path']]) {
      await criterion('F10', `below /backup/, the proxy ${words}: deep link, sign-in, live`, async () => {
        const between = await proxy(front, stand.port, { base: '/backup', takesAway });
        const below = { url: `http://127.0.0.1:${front}` };
        const tab = await page(browser, below, { cookie: '' });
        try {
          await tab.goto(`${below.url}/backup/plans/shop/settings`);
          await tab.waitForURL('**/backup/sign-in?next=%2Fplans%2Fshop%2Fsettings');
          await tab.waitForSelector('[name=name]');
          await signIn(tab);
          await tab.waitForURL('**/backup/plans/shop/settings');
          await settled(tab);
          await tab.click('.rail a >> text=Overview');
          await tab.waitForURL('**/backup/');
          await settled(tab);
          await tab.click('article:has-text("shop") button');
          await tab.waitForSelector('article:has-text("shop") >> text=Protected');
          await tab.waitForSelector('.age[data-state=live]');
          await tab.goto(`${below.url}/backup/runs`);
          await settled(tab);
          return between.outside.map((path) => `asked outside of the path: ${path}`);
        } finally {
          await tab.context().close();
          between.close();
        }
      });
    }
  } finally {
    await stand.stop();
  }
}

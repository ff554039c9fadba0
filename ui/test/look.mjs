// Screenshots to look at while working on a page: `node test/look.mjs /plans /runs` writes them into /tmp/recoup-look.
// A running stand is kept between calls when LOOK=stay; nothing is decided here.
import { mkdirSync } from 'node:fs';
import { NARROW, open, page, seen, WIDE } from './browser.mjs';
import { Stand } from './stand.mjs';

const out = '/tmp/recoup-look';
mkdirSync(out, { recursive: true });
const stand = await Stand.start();
const browser = await open();
try {
  await stand.backUp('shop');
  await stand.backUp('photos');
  const runs = (await stand.json('GET', '/runs')).items;
  const known = { RUN: runs.find((run) => run.kind === 'backup' && run.plan === 'shop').id, FAILED: runs.find((run) => run.outcome === 'failed').id };
  const paths = process.argv.slice(2);
  for (const given of paths.length > 0 ? paths : ['/']) {
    const path = given.replace(/RUN|FAILED/, (word) => known[word]);
    for (const [size, dark] of [[WIDE, false], [NARROW, true]]) {
      const tab = await page(browser, stand, { size, dark, ...(path === '/sign-in' && { cookie: '' }) });
      await tab.go(path);
      const name = `${out}/${given.replaceAll('/', '_')}-${size.width}.png`;
      await tab.screenshot({ path: name, fullPage: true });
      console.log(name, await tab.title());
      await tab.context().close();
    }
  }
} finally {
  await browser.close();
  await stand.stop();
}
console.log(seen);

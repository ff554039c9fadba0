// What the page weighs on the wire and how steady it stands, with a year's worth of data: requests, bytes, shifts of the
// layout, the size of the first answer. None of it depends on how fast the machine is.
import { NARROW, page } from './browser.mjs';
import { seeded } from './seed.mjs';

export default async function ({ browser, criterion }) {
  const stand = await seeded();
  try {
    for (const path of ['/', '/plans', '/runs', '/backups', '/settings']) {
      await criterion('P4', `what shifts while ${path} loads`, async () => {
        const tab = await page(browser, stand, { size: NARROW });
        await tab.addInitScript(() => {
          window.shifts = 0;
          new PerformanceObserver((list) => list.getEntries().forEach((one) => !one.hadRecentInput && (window.shifts += one.value))).observe({ type: 'layout-shift', buffered: true });
        });
        await tab.go(path);
        await tab.waitForTimeout(400);
        const shifts = await tab.evaluate(() => window.shifts);
        await tab.context().close();
        const told = `${shifts.toFixed(3)} of 0.02`;
        return shifts <= 0.02 ? told : [told];
      });
    }
    await criterion('P5', 'requests and bytes of the first view', async () => {
      const tab = await page(browser, stand, { size: NARROW });
      const wire = await tab.context().newCDPSession(tab);
      await wire.send('Network.enable');
      let [requests, bytes] = [0, 0];
      wire.on('Network.requestWillBeSent', ({ request }) => (requests += request.url.startsWith('http') ? 1 : 0));
      wire.on('Network.loadingFinished', (event) => (bytes += event.encodedDataLength));
      await tab.go('/', 'article');
      await tab.waitForTimeout(500);
      await tab.context().close();
      const told = `${requests} requests of 8, ${(bytes / 1024).toFixed(0)} KiB of 180`;
      return requests <= 8 && bytes <= 180 * 1024 ? told : [told];
    });
    await criterion('P6', 'the size of the server’s answer for the first page', async () => {
      const { length } = await (await stand.api('GET', '/overview')).text();
      const told = `${(length / 1000).toFixed(1)} kB of 30 kB`;
      return length <= 30_000 ? told : [told];
    });
  } finally {
    await stand.stop();
  }
}

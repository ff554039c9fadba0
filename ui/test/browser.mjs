// Debian's Chromium, with what every test watches for while a page is open: violations of the content policy, requests to
// anywhere else, errors of the page. Not here: the daemon (stand.mjs).
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { PASSWORD } from './stand.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
export const WIDE = { width: 1280, height: 860 };
export const NARROW = { width: 360, height: 740 };

/** What must not have happened, over all pages of a run. */
export const seen = { policy: [], foreign: [], errors: [] };

export async function open() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
    ],
  });
}

/** A page of its own, signed in with `cookie` when one is given. */
export async function page(browser, stand, { size = WIDE, dark = false, cookie = stand.cookie, language = 'en-GB', ...more } = {}) {
  const context = await browser.newContext({
    viewport: size,
    colorScheme: dark ? 'dark' : 'light',
    locale: language,
    timezoneId: 'Asia/Kolkata',
    reducedMotion: 'reduce',
    ...more,
  });
  if (cookie) {
    const [name, value] = cookie.split('=');
    await context.addCookies([{ name, value, url: stand.url }]);
  }
  await context.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ''}`));
  });
  const tab = await context.newPage();
  tab.on('request', (request) => {
    if (!request.url().startsWith(stand.url) && !/^(data|blob|about):/.test(request.url())) seen.foreign.push(request.url());
  });
  tab.on('console', (message) => {
    const text = message.text();
    if (/Content Security Policy/i.test(text)) seen.policy.push(`${tab.url()} ${text}`);
    // Answers that are no success are logged by the browser; the page handles them.
    else if (message.type() === 'error' && !/Failed to load resource/.test(text)) seen.errors.push(`${tab.url()} ${text}`);
  });
  tab.on('pageerror', (error) => seen.errors.push(`${tab.url()} ${error.stack ?? error}`));
  tab.go = async (path, ready = 'h1') => {
    await tab.goto(stand.url + path);
    await tab.waitForSelector(ready);
    await settled(tab);
  };
  return tab;
}

/** Nothing is loading any more. */
export async function settled(tab) {
  await tab.waitForFunction(() => !document.querySelector('[aria-busy=true]') && document.querySelector('h1'), undefined, { timeout: 20_000 });
}

export async function signIn(tab, name = 'admin', password = PASSWORD) {
  await tab.fill('[name=name]', name);
  await tab.fill('[name=password]', password);
  await tab.click('button[type=submit]');
  await tab.waitForSelector('.shell');
}

/** What axe finds: one line for each violation. */
export async function axe(tab) {
  await tab.evaluate(AXE);
  const found = await tab.evaluate((tags) => window.axe.run(document, { runOnly: tags, resultTypes: ['violations'] }), TAGS);
  return found.violations.flatMap((violation) =>
    violation.nodes.slice(0, 4).map((node) => `${violation.id}: ${node.target.join(' ')} – ${node.failureSummary?.split('\n').slice(1, 3).join(' ').trim()}`),
  );
}

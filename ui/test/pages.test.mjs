// Every page in each state, theme and width: axe, titles, headings, nothing wider than the page, everything large enough
// to be pressed, every stop of Tab to be seen.
import { axe, NARROW, page, settled, WIDE } from './browser.mjs';
import { Stand } from './stand.mjs';

/** Addresses and what has to be there. `RUN` and `FAILED` are runs of the stand, `BACKUP` its backup, `own` a plan made there. */
export const ROUTES = ['/', '/plans', '/plans?state=paused', '/plans?sort=-size', '/plans/shop', '/plans/shop/runs', '/plans/shop/settings', '/plans/missing', '/runs', '/runs?kind=restore', '/runs/RUN', '/runs/FAILED', '/runs/nothing', '/profile', '/more', '/no/such/page', '/backups', '/backups?kind=upload', '/backups/trash', '/backups/BACKUP', '/backups/nothing', '/backups?state=damaged&kind=upload', '/backups?file=1.txt', '/backups?file=nothing', '/backups/BACKUP/files', '/backups/BACKUP/files?part=pictures', '/backups/BACKUP/files?part=pictures&file=1.txt', '/backups/BACKUP/files?part=shop', '/backups/BACKUP/files?part=shop&table=orders', '/backups/BACKUP/files?part=gone', '/restore/BACKUP', '/restore/BACKUP?stale=yes', '/restore/BACKUP?only=pictures%2F1.txt', '/restore/upload', '/plans/new', '/plans/shop/edit', '/plans/own/edit', '/destinations', '/destinations/new', '/destinations/here', '/calendar', '/activity', '/activity?kind=tokens', '/settings', '/settings/defaults', '/settings/danger', '/settings/notifications', '/settings/users', '/settings/tokens', '/settings/integrations', '/settings/system', '/welcome', '/welcome?way=start', '/welcome?way=restore'];
const OUTSIDE = ['/sign-in', '/sign-in?next=%2Fplans'];

const LOOKS = [
  { name: 'wide light', size: WIDE, dark: false },
  { name: 'wide dark', size: WIDE, dark: true },
  { name: 'narrow light', size: NARROW, dark: false },
  { name: 'narrow dark', size: NARROW, dark: true },
];

export default async function ({ browser, criterion }) {
  const stand = await Stand.start();
  const empty = await Stand.start({ toml: '' });
  const fresh = await Stand.start({ toml: '', admin: false });
  try {
    await stand.backUp('shop');
    await stand.backUp('photos');
    const { items } = await stand.json('GET', '/runs');
    const known = { RUN: items.find((run) => run.plan === 'shop' && run.kind === 'backup').id, FAILED: items.find((run) => run.outcome === 'failed').id };
    known.BACKUP = (await stand.json('GET', '/backups?plan=shop')).items[0].id;
    await stand.json('POST', '/plans', { name: 'own', plan: { databases: [`${stand.folder}/shop.db`], destinations: ['here'], schedule: { every: 'weekly', at: '02:30', zone: 'Europe/Berlin' }, retention: { daily: 3 } } });
    await stand.json('POST', '/channels/ops', { ntfy: 'http://127.0.0.1:9/topic' });
    const at = (path) => path.replace(/RUN|FAILED|BACKUP/, (word) => known[word]);

    // Every page is opened once in each look, and everything is asked of it then.
    const found = { heads: [], small: [], walk: [], moves: [] };
    const titles = new Map();
    const places = [[stand, ROUTES, stand.cookie], [stand, OUTSIDE, ''], [empty, ['/', '/plans', '/runs', '/backups', '/backups/trash', '/calendar', '/destinations', '/settings/notifications', '/welcome?way=start', '/welcome?way=restore'], empty.cookie], [fresh, ['/setup'], '']];
    const everywhere = async (look, act) => {
      for (const [where, paths, cookie] of places) {
        const tab = await page(browser, where, { ...look, cookie });
        for (const path of paths) {
          await tab.go(at(path));
          const note = (list, lines) => list.push(...lines.map((line) => `${path} ${look.name}: ${line}`));
          await act(tab, note, path, where);
        }
        await tab.context().close();
      }
    };
    const told = (id, sentence, lines) => criterion(id, sentence, () => lines);

    for (const look of LOOKS) {
      const list = [];
      await criterion('A1', `axe finds nothing on any page, ${look.name}`, async () => {
        await everywhere(look, async (tab, note, path, where) => {
          note(list, await axe(tab));
          if (look.dark) return;
          note(found.moves, await tab.evaluate(() => document.getAnimations().map((one) => `moves: ${one.animationName ?? one.constructor.name}`)));
          note(found.walk, await walk(tab));
          if (look.size === NARROW) note(found.small, await small(tab));
          else note(found.heads, await heads(tab, path, where === stand, titles));
        });
        return list;
      });
    }
    await told('A7', 'one h1, a title of its own, landmarks and a language on every page', found.heads);
    await told('A4', 'everything that can be pressed is 24 px, buttons and fields 40 px high', found.small);
    await told('A3', 'each stop of Tab is to be seen and not covered', found.walk);
    await told('A6', 'nothing moves with reduced motion', found.moves);
    await criterion('A5', 'nothing is wider than 360 and 320 px, with the text spacing of WCAG and in German', async () => {
      const list = [];
      await everywhere({ name: 'German', size: { width: 360, height: 740 }, language: 'de-DE' }, async (tab, note) => {
        for (const width of [360, 320]) {
          await tab.setViewportSize({ width, height: 740 });
          for (const spacing of [false, true]) {
            await spaced(tab, spacing);
            const wide = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
            if (wide > 0) note(list, [`${wide} px wider than ${width}${spacing ? ' with spacing' : ''}: ${await widest(tab)}`]);
          }
        }
        await spaced(tab, false);
      });
      return list;
    });
    await criterion('A1', 'axe finds nothing with a menu or a dialog open', () => opened(browser, stand, at));
    await criterion('A2', 'the palette and the keys: anywhere without a mouse', async () => {
      const found = [];
      for (const look of [LOOKS[0], LOOKS[3]]) {
        const tab = await page(browser, stand, look);
        await tab.go('/');
        await tab.keyboard.press('Control+k');
        await tab.waitForSelector('[role=combobox]:focus');
        found.push(...(await axe(tab)).map((line) => `palette ${look.name}: ${line}`));
        await tab.keyboard.type('shop');
        await tab.keyboard.press('Enter');
        await tab.waitForURL('**/plans/shop');
        await tab.waitForSelector('[role=dialog]', { state: 'detached' });
        await tab.keyboard.press('?');
        await tab.waitForSelector('[role=dialog] kbd');
        found.push(...(await axe(tab)).map((line) => `keys ${look.name}: ${line}`));
        await tab.keyboard.press('Escape');
        await tab.waitForSelector('[role=dialog]', { state: 'detached' });
        await tab.keyboard.press('g');
        await tab.keyboard.press('j');
        await tab.waitForURL('**/plans');
        await settled(tab);
        await tab.keyboard.press('/');
        await tab.waitForSelector('input[type=search]:focus');
        // Inside a field letters are letters.
        await tab.keyboard.type('g r?');
        if (!tab.url().includes('/plans?q=')) found.push(`letters in a field lead to ${tab.url()}`);
        await tab.context().close();
      }
      return found;
    });
    await criterion('A3', 'after a change of page the focus is on main', async () => {
      const tab = await page(browser, stand);
      await tab.go('/');
      await tab.click('.rail a[href$="/plans"]');
      await tab.waitForFunction(() => document.activeElement?.tagName === 'MAIN');
      await tab.context().close();
    });
  } finally {
    await Promise.all([stand.stop(), empty.stop(), fresh.stop()]);
  }
}

/** Menus and dialogs, opened and looked at; the focus comes back to what opened them. */
async function opened(browser, stand, at) {
  const found = [];
  for (const look of LOOKS) {
    const tab = await page(browser, stand, look);
    const narrow = look.size === NARROW;
    for (const [path, press] of [
      [narrow ? '/more' : '/', 'Theme'],
      [narrow ? '/more' : '/', 'admin'],
      ['/', 'Pause'],
      ['/', 'What is backed up now'],
      ['/', 'Actions for shop'],
      ['/plans', 'Actions for shop'],
      ['/plans/shop', 'Actions for shop'],
      ['/backups/BACKUP', 'Actions for shop, '],
    ]) {
      await tab.go(at(path));
      const button = tab.locator(`:is(.rail, main) button:visible`, { hasText: press }).or(tab.locator(`button[aria-label^="${press}"]:visible`)).first();
      await button.click();
      await tab.waitForSelector('[role=menu]:popover-open');
      found.push(...(await axe(tab)).map((line) => `${path} menu ${press}, ${look.name}: ${line}`));
      await tab.keyboard.press('Escape');
      await tab.waitForSelector('[role=menu]:popover-open', { state: 'detached' });
      if (!(await button.evaluate((one) => one === document.activeElement))) found.push(`${path} menu ${press}: the focus did not come back`);
    }
    await tab.context().close();
  }
  return found;
}

/** Line, paragraph, letter and word spacing as WCAG 1.4.12 sets them; a policy allows a sheet that is made so. */
const spaced = (tab, on) =>
  tab.evaluate((on) => {
    document.adoptedStyleSheets = [];
    if (!on) return;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync('* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important } p { margin-bottom: 2em !important }');
    document.adoptedStyleSheets = [sheet];
  }, on);

/** What a page calls itself. Tabs of one thing share its title. */
async function heads(tab, path, counts, titles) {
  const facts = await tab.evaluate(() => ({
    title: document.title, h1: document.querySelectorAll('h1').length, main: document.querySelectorAll('main').length, lang: document.documentElement.lang,
  }));
  const wrong = [];
  if (facts.h1 !== 1) wrong.push(`${facts.h1} h1`);
  if (facts.main !== 1) wrong.push(`${facts.main} main`);
  if (!facts.lang) wrong.push('no lang');
  const thing = path.split('?')[0].split('/').slice(0, 3).join('/');
  const before = titles.get(facts.title);
  if (counts && before && before !== thing) wrong.push(`the title of ${before}: ${facts.title}`);
  if (counts) titles.set(facts.title, thing);
  return wrong;
}

const widest = (tab) =>
  tab.evaluate(() => {
    const far = [...document.querySelectorAll('main *, .bar *, .strip *')].filter((one) => one.getBoundingClientRect().right > window.innerWidth + 0.5);
    far.sort((a, b) => b.getBoundingClientRect().right - a.getBoundingClientRect().right);
    return far.slice(0, 3).map((one) => `${one.tagName}.${one.className} ${one.textContent?.slice(0, 30)}`).join(' | ');
  });

const small = (tab) =>
  tab.evaluate(() => {
    const seen = (one) => one.checkVisibility?.() && one.getBoundingClientRect().width > 1 && !one.closest('.skip');
    const name = (one) => `${one.tagName}.${one.className} "${(one.textContent || one.getAttribute('aria-label') || one.name || '').slice(0, 30)}"`;
    const wrong = [];
    for (const one of [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [role=menuitem]')].filter(seen)) {
      const box = one.getBoundingClientRect();
      const control = one.matches('button, .button, select, textarea, input:not([type=checkbox]):not([type=radio])');
      if (control && box.height < 40) wrong.push(`${name(one)} is ${box.height} px high`);
      // A link within a sentence is as high as its line.
      const inText = one.matches('a:not(.button)') && getComputedStyle(one).display === 'inline';
      const labelled = one.closest('label')?.getBoundingClientRect();
      if (!inText && Math.min(labelled?.width ?? box.width, labelled?.height ?? box.height) < 24) wrong.push(`${name(one)} is ${box.width} × ${box.height}`);
    }
    return wrong;
  });

/** Tab through a page: each stop has an outline and is not below something else. */
async function walk(tab) {
  await settled(tab);
  await tab.evaluate(() => window.scrollTo(0, 0));
  const wrong = [];
  const seen = new Set();
  for (let step = 0; step < 80; step++) {
    await tab.keyboard.press('Tab');
    const stop = await tab.evaluate(() => {
      const one = document.activeElement;
      if (!one || one === document.body) return null;
      one.dataset.stop ??= String(Math.random());
      const box = one.getBoundingClientRect();
      const style = getComputedStyle(one);
      const points = [[0.5, 0.5], [0.1, 0.5], [0.9, 0.5], [0.5, 0.15], [0.5, 0.85]];
      const free = points.some(([x, y]) => {
        const top = document.elementFromPoint(box.left + box.width * x, box.top + box.height * y);
        return top && (one.contains(top) || top.contains(one));
      });
      return {
        id: one.dataset.stop,
        name: `${one.tagName}.${one.className} "${(one.textContent || one.getAttribute('aria-label') || '').slice(0, 30)}"`,
        outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        free,
      };
    });
    if (!stop || seen.has(stop.id)) break;
    seen.add(stop.id);
    if (!stop.outlined) wrong.push(`no outline: ${stop.name}`);
    if (!stop.free) wrong.push(`covered: ${stop.name}`);
  }
  if (seen.size < 3) wrong.push(`only ${seen.size} stops`);
  return wrong;
}

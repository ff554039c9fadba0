// Coming in and going out: the first account, sign-in by keyboard alone, wrong passwords, the way back to where somebody
// wanted to go and never to another site, the flags of the cookie, the end of a sign-in.
import { axe, NARROW, page, settled, signIn } from './browser.mjs';
import { reach } from './journeys.test.mjs';
import { PASSWORD, Stand } from './stand.mjs';

export default async function ({ browser, criterion }) {
  const stand = await Stand.start();
  const fresh = await Stand.start({ toml: '', admin: false });
  try {
    await criterion('A2', 'the first account is made by keyboard alone', async () => {
      const tab = await page(browser, fresh, { cookie: '', size: NARROW });
      await tab.go('/');
      if (!tab.url().endsWith('/setup')) return [`at ${tab.url()}`];
      // The field for the code has the focus. Nothing given: each field says so and the first has the focus.
      await tab.keyboard.press('Enter');
      await tab.waitForSelector('[aria-invalid=true]:focus');
      const wrong = await tab.locator('[aria-invalid=true]').count();
      if (wrong !== 3) return [`${wrong} fields are marked`];
      await tab.keyboard.type('not the code');
      await tab.keyboard.press('Tab');
      await tab.keyboard.type('anna');
      await tab.keyboard.press('Tab');
      await tab.keyboard.type(PASSWORD);
      await tab.keyboard.press('Enter');
      await tab.getByText('This is not the code.').waitFor();
      // The address that the server printed has the code in it, and does not keep it.
      await tab.goto(`${fresh.url}/#`);
      await tab.goto(`${fresh.url}/setup#${fresh.code}`);
      await tab.waitForSelector('[name=name]:focus');
      if (tab.url().includes('#')) return [`the code stays in the address: ${tab.url()}`];
      await tab.keyboard.type('anna');
      await tab.keyboard.press('Tab');
      await tab.keyboard.type(PASSWORD);
      await tab.keyboard.press('Enter');
      await tab.waitForSelector('.shell');
      await settled(tab);
      const there = await tab.waitForSelector('h1:has-text("Welcome")', { timeout: 15_000 }).catch(() => undefined);
      if (!there) return [`at ${tab.url()}: ${(await tab.innerText('main')).slice(0, 80)}`];
      await tab.context().close();
    });
    await criterion('A2', 'from the first account to a backup that is proven, by keyboard alone', async () => {
      const signed = await page(browser, fresh, { cookie: '' });
      await signed.go('/sign-in?next=%2Fwelcome');
      await signIn(signed, 'anna', PASSWORD);
      const wrong = [];
      await signed.waitForURL('**/welcome');
      await settled(signed);
      await reach(signed, 'Start protecting data', 'A');
      await signed.keyboard.press('Enter');
      await signed.waitForSelector('[aria-current=step]:has-text("What")');
      // A folder where a database is wanted leads to the databases in it.
      await reach(signed, 'Path of the SQLite database', 'INPUT');
      await signed.keyboard.type(fresh.folder);
      await signed.waitForSelector('text=Folder with 1 SQLite database in it');
      wrong.push(...(await axe(signed)));
      await reach(signed, 'Add this database', 'BUTTON');
      await signed.keyboard.press('Enter');
      await signed.waitForSelector('text=SQLite database, 2 tables');
      await reach(signed, 'Next', 'BUTTON');
      await signed.keyboard.press('Enter');
      await signed.waitForSelector('text=Next three runs');
      wrong.push(...(await axe(signed)));
      await reach(signed, 'Next', 'BUTTON');
      await signed.keyboard.press('Enter');
      await signed.waitForSelector('text=or a broken disk takes everything');
      const name = await signed.inputValue('form input');
      if (name !== 'shop') wrong.push(`the plan would be called ${name}`);
      await reach(signed, 'Make the first backup', 'BUTTON');
      await signed.keyboard.press('Enter');
      await signed.waitForSelector('h1:has-text("Verified by test restore")', { timeout: 90_000 });
      wrong.push(...(await axe(signed)));
      await reach(signed, 'Go to the overview', 'A');
      await signed.keyboard.press('Enter');
      await signed.waitForSelector('.plan .pill:has-text("Test restore")');
      await signed.context().close();
      return wrong;
    });

    await criterion('A2', 'sign-in and sign-out by keyboard alone', async () => {
      const tab = await page(browser, stand, { cookie: '' });
      await tab.go('/plans?state=failing');
      await tab.keyboard.type('admin');
      await tab.keyboard.press('Tab');
      await tab.keyboard.type(PASSWORD);
      await tab.keyboard.press('Enter');
      await tab.waitForSelector('.shell');
      await tab.waitForURL('**/plans?state=failing');
      await settled(tab);
      // Skip link first.
      await tab.go('/plans');
      await tab.keyboard.press('Tab');
      const first = await tab.evaluate(() => document.activeElement.textContent);
      if (first !== 'Skip to the content') return [`first stop: ${first}`];
      await tab.keyboard.press('Enter');
      if (!(await tab.evaluate(() => document.activeElement.id === 'main'))) return ['the skip link does not skip'];
      // Back to the user's menu, at the end of the rail.
      for (let step = 0; step < 12 && !(await tab.evaluate(() => document.activeElement.textContent === 'admin')); step++) await tab.keyboard.press('Shift+Tab');
      await tab.keyboard.press('Enter');
      await tab.waitForSelector('[role=menuitem]:focus');
      await tab.keyboard.press('End');
      await tab.keyboard.press('Enter');
      await tab.waitForURL('**/sign-in');
      const left = await tab.context().cookies();
      await tab.context().close();
      return left.length === 0 ? [] : [`a cookie is left: ${left[0].name}`];
    });

    await criterion('S5', 'a wrong name and a wrong password are told alike', async () => {
      const tab = await page(browser, stand, { cookie: '' });
      const told = [];
      for (const [name, password] of [['admin', 'not the password'], ['nobody', 'not the password']]) {
        await tab.go('/sign-in');
        await tab.fill('[name=name]', name);
        await tab.fill('[name=password]', password);
        await tab.click('button[type=submit]');
        told.push(await tab.locator('[role=alert]').innerText());
      }
      await tab.context().close();
      return told[0] === told[1] && told[0].includes('User name or password is not right') ? [] : told;
    });

    await criterion('S5', 'a return address is one of ours or the overview', async () => {
      const wrong = [];
      const tab = await page(browser, stand);
      for (const [next, meant] of [
        ['/plans/shop', '/plans/shop'], ['//evil.example', '/'], ['https://evil.example/', '/'], ['/\\evil.example', '/'], ['/%09/evil.example', '/%09/evil.example'],
        ['javascript:alert(1)', '/'], ['/\t/evil.example', '/'], ['', '/'],
      ]) {
        await tab.goto(`${stand.url}/sign-in?next=${encodeURIComponent(next)}`);
        await tab.waitForFunction(() => !location.pathname.endsWith('/sign-in'));
        const at = tab.url().slice(stand.url.length);
        if (!tab.url().startsWith(stand.url) || at !== meant) wrong.push(`${JSON.stringify(next)} leads to ${tab.url()}`);
      }
      await tab.context().close();
      return wrong;
    });

    await criterion('S5', 'no script can read the cookie, and no other site can send it', async () => {
      const tab = await page(browser, stand, { cookie: '' });
      await tab.go('/sign-in');
      await signIn(tab);
      const [cookie] = await tab.context().cookies();
      const read = await tab.evaluate(() => document.cookie);
      await tab.context().close();
      return [...(cookie.httpOnly && cookie.sameSite === 'Strict' ? [] : [JSON.stringify(cookie)]), ...(read ? [`scripts read ${read}`] : [])];
    });

    await criterion('S5', 'when the sign-in ends elsewhere the page asks for it and goes on where it was', async () => {
      const tab = await page(browser, stand, { cookie: '' });
      await tab.go('/sign-in');
      await signIn(tab);
      await tab.go('/plans/shop/runs');
      // Another browser of the same person ends all.
      const [{ name, value }] = await tab.context().cookies();
      await fetch(`${stand.url}/api/v1/session`, { method: 'DELETE', headers: { 'X-Recoup': '1', cookie: `${name}=${value}` } });
      await tab.reload();
      await tab.waitForURL('**/sign-in?next=%2Fplans%2Fshop%2Fruns');
      await signIn(tab);
      await tab.waitForURL('**/plans/shop/runs');
      await tab.context().close();
    });

    await criterion('S5', 'who may only look is shown nothing to press that changes something', async () => {
      await stand.api('POST', '/users', { name: 'guest', role: 'viewer', password: PASSWORD });
      const tab = await page(browser, stand, { cookie: '' });
      await tab.go('/sign-in');
      await signIn(tab, 'guest');
      const wrong = [];
      for (const path of ['/', '/plans', '/runs', '/profile']) {
        await tab.go(path);
        wrong.push(...(await axe(tab)).map((line) => `${path}: ${line}`));
        if (await tab.getByRole('button', { name: /Back up now|Try again|Delete|Pause/ }).count()) wrong.push(`${path} has a button that changes something`);
        if (await tab.getByText('shop').count()) wrong.push(`${path} shows somebody else’s plan`);
      }
      await tab.context().close();
      return wrong;
    });

    await criterion('F15', 'a page of before an update of the server loads itself anew, once', async () => {
      const tab = await page(browser, stand);
      await tab.go('/');
      let refused = 0;
      await tab.route('**/assets/runs-*.js', (route) => (refused++ === 0 ? route.abort() : route.continue()));
      await tab.click('.rail a >> text=Runs');
      await tab.getByText('Nothing is running now.').waitFor();
      await tab.context().close();
      return refused >= 2 ? [] : [`asked ${refused} times`];
    });

    await criterion('S5', 'too many tries count down', async () => {
      const tab = await page(browser, stand, { cookie: '' });
      await tab.go('/sign-in');
      for (let n = 0; n < 8; n++) {
        await tab.fill('[name=name]', 'somebody');
        await tab.fill('[name=password]', `wrong ${n}`);
        await tab.keyboard.press('Enter');
        await tab.waitForFunction(() => !document.querySelector('button[aria-busy]') && document.querySelector('.note.bad'));
        const text = await tab.locator('.note.bad').innerText();
        if (/Too many tries\. Try again in \d+ s/.test(text)) return tab.context().close();
      }
      return ['never locked'];
    });
  } finally {
    await Promise.all([stand.stop(), fresh.stop()]);
  }
}

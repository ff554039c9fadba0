// kill -9 of the daemon in each phase of a restore while its page is open, and a start after that: the page ends by itself
// and tells the truth, and the data is exactly the old or exactly the new. The moments are system calls of the thread that
// works, not times: a hook holds the restore while strace(1) is put on that thread.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { page } from './browser.mjs';
import { Stand, until } from './stand.mjs';

// Calls whose number does not depend on how many backups there are.
const CALLS = 'write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,mkdir,mkdirat,rmdir,chmod,fchmod';

const TOML = (stand) => `
[destination.here]
path = "backups"
[plan.shop]
databases = ["shop.db"]
directories = ["pictures"]
destinations = ["here"]
[plan.shop.hooks]
before_restore = [["sh", "-c", "until [ -e '${stand.folder}/open' ]; do sleep 0.05; done"]]
`;

/** The phases of a restore, each with the call by which the one before it ends. */
const PHASES = [
  ['what is there is saved', /journal\.part/],
  ['the journal is written', /^rename.*journal\.part.*journal\.json/, true],
  ['files are exchanged', /^pwrite64\([^,]*\/shop\.db>/],
  ['the database is written', /^unlink.*shop\.db-journal/, true],
  ['what arrived is compared', /^unlink.*journal\.json/, true],
  ['it is tidied up', /(?!)/],
];

/** The calls in a trace by phase: name and how often it was called up to here. */
function byPhase(log) {
  const counts = new Map();
  const phases = PHASES.map(() => []);
  let phase = 0;
  for (const line of log.split('\n')) {
    const name = /^(\w+)\(/.exec(line)?.[1];
    if (!name) continue;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const [, ends, included] = PHASES[phase];
    const point = { name, nth: counts.get(name) };
    if (ends.test(line)) {
      if (included) phases[phase].push(point);
      phase += 1;
      if (included) continue;
    }
    phases[phase].push(point);
  }
  return phases;
}

/** The thread that started the hook. */
function worker(pid) {
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    if (readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim()) return thread;
  }
  return undefined;
}

export default async function ({ browser, criterion }) {
  const stand = await Stand.start({ toml: TOML });
  const [database, pictures, open] = [join(stand.folder, 'shop.db'), join(stand.folder, 'pictures'), join(stand.folder, 'open')];
  const sql = (text) => execFileSync('sqlite3', [database, text], { encoding: 'utf8' });
  /** All that the data says. */
  const data = () => sql('.dump') + readdirSync(pictures).sort().map((name) => `${name}: ${readFileSync(join(pictures, name), 'utf8')}`).join('\n');
  let changes = 0;
  const change = () => {
    const n = ++changes;
    sql(`DELETE FROM orders WHERE id % 7 = 3; UPDATE orders SET total = ${n} WHERE id % 5 = 0; INSERT INTO orders VALUES (${9000 + n}, 'later', ${n})`);
    rmSync(join(pictures, '2.txt'), { force: true });
    writeFileSync(join(pictures, '1.txt'), `change ${n}`);
    writeFileSync(join(pictures, 'later.txt'), `change ${n}`);
  };
  const tab = await page(browser, stand);
  let backup;
  /** Begins a restore, which the hook holds, and opens its page. */
  const begin = async () => {
    rmSync(open, { force: true });
    const { preview } = await stand.json('POST', '/restores/preview', { backup, only: [] });
    const { run } = await stand.json('POST', '/restores', { preview, confirm: true, force: false });
    await tab.go(`/runs/${run}`);
    await tab.waitForSelector('.pill.live');
    await tab.evaluate(() => (window.same = true));
    return run;
  };
  /** Has it done under strace. */
  const restore = async (...options) => {
    const run = await begin();
    const thread = await until('the hook', async () => worker(stand.pid), 20);
    const log = join(stand.folder, 'calls');
    const tracer = spawn('strace', ['-qq', '-y', '-s', '300', '-o', log, '-p', thread, '-e', `trace=${CALLS}`, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    tracer.stderr.on('data', (bytes) => (said += bytes));
    const ended = new Promise((done) => tracer.once('exit', done));
    await until('strace', async () => {
      if (tracer.exitCode !== null) throw new Error(said);
      return !/TracerPid:\t0/.test(readFileSync(`/proc/${stand.pid}/task/${thread}/status`, 'utf8'));
    }, 20);
    writeFileSync(open, '');
    return { run, calls: async () => (tracer.kill('SIGTERM'), await ended, readFileSync(log, 'utf8')) };
  };
  /** What is wrong at the end: the page must say what the data is. */
  const judge = async (run, then, now) => {
    const wrong = [];
    await tab.waitForFunction(() => document.querySelector('.head .pill') && !document.querySelector('.head .pill.live'), undefined, { timeout: 60_000 });
    await until('the end', async () => (await stand.json('GET', `/runs/${run}`)).state === 'done');
    const is = data();
    const [old, fresh] = [is === now, is === then];
    if (!old && !fresh) return ['the data is neither old nor new'];
    const text = old ? 'The data is exactly as it was before the restore.' : 'Restored';
    const next = old ? 'Restore again…' : 'Undo this restore';
    for (const words of [text, next]) {
      await tab.getByText(words).first().waitFor({ timeout: 15_000 }).catch(() => wrong.push(`the data is ${old ? 'old' : 'new'}, and the page does not say "${words}"`));
    }
    if (!(await tab.evaluate(() => window.same))) wrong.push('the page was loaded anew');
    if (existsSync(join(stand.folder, '.recoup-restore'))) wrong.push('a stage was left behind');
    if (wrong.length > 0) wrong.push(await tab.locator('main').innerText());
    return wrong.length > 0 ? wrong : { ends: old ? 'old' : 'new' };
  };
  try {
    await stand.backUp('shop');
    backup = (await stand.json('GET', '/backups?plan=shop')).items[0].id;
    const then = data();
    let phases;
    await criterion('F1', 'the calls of a whole restore are those of its phases', async () => {
      change();
      const { run, calls } = await restore();
      await stand.ended_run(run);
      phases = byPhase(await calls());
      const wrong = phases.flatMap((points, at) => (points.length > 0 ? [] : [`no call while ${PHASES[at][0]}`]));
      if (data() !== then) wrong.push('the data is not that of the backup');
      return wrong.length > 0 ? wrong : phases.map((points) => points.length).join(' + ');
    });
    const kill = (words, act, at) =>
      criterion('F1', `killed while ${words}: the page ends true, the data is old or new`, async () => {
        change();
        const now = data();
        const { run, calls } = await act();
        await until('the end of the daemon', async () => stand.gone, 60);
        const met = calls && byPhase(await calls()).findLastIndex((points) => points.length > 0);
        await stand.up();
        if (met !== at) return [`it was killed while ${PHASES[met][0]}`];
        const ended = await judge(run, then, now);
        if (Array.isArray(ended)) return ended;
        if (ended.ends === 'new') {
          const undone = await stand.json('POST', '/plans/shop/undo', {});
          await stand.ended_run(undone.run);
          if (data() !== now) return ['it cannot be undone: the data is not that of before'];
        }
        return ended.ends;
      });
    await kill('a hook stops the application', async () => {
      const run = await begin();
      await until('the hook', async () => worker(stand.pid), 20);
      await stand.down('SIGKILL');
      return { run };
    });
    for (const [at, [words]] of PHASES.entries()) {
      // The last call of a phase is the one after which the next begins.
      for (const [part, when] of at === 3 ? [[0, 'begins to be'], [0.5, 'is half'], [1, 'is almost']] : [[0.5, '']]) {
        await kill(when ? words.replace('is written', `${when} written`) : words, async () => {
          const points = phases[at];
          const { name, nth } = points[Math.min(points.length - 1, Math.floor(points.length * part))];
          return restore('-e', `inject=${name}:signal=KILL:when=${nth}`);
        }, at);
      }
    }
  } finally {
    await tab.context().close();
    await stand.stop();
  }
}

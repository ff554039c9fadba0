// A real daemon on real data in a folder of its own: databases made by sqlite3, folders, a recoup.toml, a free loopback
// port, an admin. Not here: the browser (browser.mjs) and what is asked of the page (the *.test.mjs).
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const target = process.env.CARGO_TARGET_DIR ?? new URL('../../target', import.meta.url).pathname;
export const BINARY = resolve(process.env.BINARY ?? join(target, 'debug/recoup'));
export const PASSWORD = 'correct horse battery';

export function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

export const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks until the answer is one; fails after `seconds`. */
export async function until(what, ask, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await ask().catch(() => undefined);
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${seconds} s: ${what}`);
    await wait(200);
  }
}

const SCHEMA = `
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, total INTEGER NOT NULL);
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO orders SELECT i, 'customer ' || (i % 97), i * 7 FROM n;`;

/** What the daemon looks after, unless a test says otherwise. `away` lies on another disk where there is one. */
export const TOML = ({ away }) => `
[destination.here]
path = "backups"
[destination.nas]
path = "${away}"

[plan.shop]
databases = ["shop.db"]
directories = ["pictures"]
destinations = ["here", "nas"]
schedule = { every = "daily", at = "03:00", zone = "Europe/Berlin" }
[plan.shop.retention]
preset = "7-4-12"

[plan.photos]
directories = ["gone"]
destinations = ["here"]
schedule = { every = "daily", at = "04:00", zone = "Europe/Berlin" }
`;

export class Stand {
  #process;
  output = '';

  /** `clock` is where the daemon's clock stands at first; it goes on from there, and `set` moves it. */
  static async start({ toml = TOML, admin = true, clock } = {}) {
    const stand = new Stand();
    stand.folder = mkdtempSync(join(tmpdir(), 'recoup-ui-'));
    stand.away = mkdtempSync('/dev/shm/recoup-ui-');
    execFileSync('sqlite3', [join(stand.folder, 'shop.db'), SCHEMA]);
    mkdirSync(join(stand.folder, 'pictures'));
    for (let n = 1; n <= 40; n++) writeFileSync(join(stand.folder, `pictures/${n}.txt`), `picture ${n}\n`.repeat(n * 20));
    writeFileSync(join(stand.folder, 'recoup.toml'), typeof toml === 'function' ? toml(stand) : toml);
    stand.port = await freePort();
    if (clock) stand.#turn(clock);
    await stand.up();
    if (admin) await stand.setUp();
    return stand;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid() {
    return this.#process.pid;
  }

  /** Whether the daemon has ended, or was killed. */
  get gone() {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Starts the daemon, again after it was stopped or killed. */
  async up() {
    const args = ['--config', join(this.folder, 'recoup.toml'), 'serve', '--listen', `127.0.0.1:${this.port}`];
    this.output = '';
    this.#process = spawn(BINARY, args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, HOME: this.folder, TZ: 'Europe/Berlin', ...this.#clock } });
    const take = (bytes) => (this.output += bytes);
    this.#process.stdout.on('data', take);
    this.#process.stderr.on('data', take);
    this.#process.on('exit', (code) => (this.ended = code ?? 'killed'));
    await until(`the daemon\n${this.output}`, async () => (await fetch(`${this.url}/readyz`)).ok);
    this.code = /shown this once: (\S+)/.exec(this.output)?.[1];
  }

  async down(signal = 'SIGTERM') {
    const gone = new Promise((done) => this.#process.once('exit', done));
    if (!this.gone) {
      this.#process.kill(signal);
      await gone;
    }
  }

  #clock = {};

  /** libfaketime reads how far the clock is off from a file. */
  #turn(now) {
    const library = readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/faketime/libfaketime.so.1`).find(existsSync);
    if (!library) throw new Error('the Debian package faketime is not there');
    const file = join(this.folder, 'clock');
    const off = Math.round((Date.parse(now) - Date.now()) / 1000);
    writeFileSync(`${file}.new`, `${off < 0 ? '' : '+'}${off}\n`);
    renameSync(`${file}.new`, file);
    this.#clock = { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
  }

  /** Moves the clock of a daemon that was started with one, waits for the scheduler to see it and for what it does then. */
  async set(now) {
    this.#turn(now);
    await until(`a look at ${now}`, async () => {
      const metrics = await (await fetch(`${this.url}/metrics`)).text();
      const looked = Number(/^recoup_scheduler_last_check_timestamp_seconds (\S+)/m.exec(metrics)?.[1]);
      const after = looked - Date.parse(now) / 1000;
      return after > -1 && after < 50;
    });
    await until('the runs', async () => this.catalog("SELECT count(*) FROM run WHERE state <> 'done'")[0]['count(*)'] === 0);
    this.cookie = undefined;
    const answer = await this.api('POST', '/session', { name: 'admin', password: PASSWORD });
    this.cookie = answer.headers.get('set-cookie').split(';')[0];
  }

  /** What the catalog has, whoever is signed in. */
  catalog(text) {
    const found = execFileSync('sqlite3', ['-readonly', '-json', '-cmd', '.timeout 10000', join(this.folder, 'recoup-data/catalog.db'), text], { encoding: 'utf8' });
    return found.trim() ? JSON.parse(found) : [];
  }

  async setUp() {
    const answer = await this.api('POST', '/setup', { code: this.code, name: 'admin', password: PASSWORD });
    this.cookie = answer.headers.get('set-cookie').split(';')[0];
  }

  /** A request as the page makes it. */
  async api(method, path, body) {
    const headers = { 'X-Recoup': '1', ...(this.cookie && { cookie: this.cookie }), ...(body && { 'content-type': 'application/json' }) };
    const answer = await fetch(`${this.url}/api/v1${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  async json(method, path, body) {
    return (await this.api(method, path, body)).json();
  }

  /** Backs a plan up and waits for the end; gives the run. */
  async backUp(plan) {
    const { run } = await this.json('POST', `/plans/${plan}/run`, {});
    return this.ended_run(run);
  }

  /** The run once it is done; one that waits for a later attempt counts as well. */
  ended_run(id) {
    return until(`run ${id}`, async () => {
      const run = await this.json('GET', `/runs/${id}`);
      return run.state === 'done' || (run.state === 'queued' && run.attempt > 1) ? run : undefined;
    });
  }

  async stop() {
    await this.down();
    rmSync(this.folder, { recursive: true, force: true });
    rmSync(this.away, { recursive: true, force: true });
  }
}

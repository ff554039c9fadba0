// The demo as a stranger starts it: `recoup demo --serve` in a folder of its own, and the address that it prints.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BINARY, until } from './stand.mjs';

const LINK = /(http:\/\/\S+)\/sign-in#((\w+):(\S+))/;

export class Demo {
  #process;

  /** With its own recoup.toml, or with another one. */
  static async start(toml) {
    const demo = new Demo();
    demo.root = mkdtempSync(join(tmpdir(), 'recoup-demo-'));
    demo.folder = join(demo.root, 'recoup-demo');
    if (toml) {
      mkdirSync(demo.folder);
      writeFileSync(join(demo.folder, 'recoup.toml'), toml);
    }
    await demo.up();
    return demo;
  }

  async up() {
    this.output = '';
    this.#process = spawn(BINARY, ['demo', '--serve', '--listen', '127.0.0.1:0'], { cwd: this.root, env: { PATH: process.env.PATH, HOME: this.root, TZ: 'Europe/Berlin' } });
    const take = (bytes) => (this.output += bytes);
    this.#process.stdout.on('data', take);
    this.#process.stderr.on('data', take);
    await until('the demo', async () => LINK.test(this.output), 180);
    [, this.url, this.given, this.name, this.password] = LINK.exec(this.output);
    const headers = { 'X-Recoup': '1', 'content-type': 'application/json' };
    const answer = await fetch(`${this.url}/api/v1/session`, { method: 'POST', headers, body: JSON.stringify({ name: this.name, password: this.password }) });
    this.cookie = answer.headers.get('set-cookie').split(';')[0];
  }

  async ask(path) {
    return (await fetch(`${this.url}/api/v1${path}`, { headers: { cookie: this.cookie } })).json();
  }

  /** Nothing runs any more. */
  still() {
    return until('nothing runs', async () => (await this.ask('/overview')).active.length === 0);
  }

  async down() {
    const gone = new Promise((done) => this.#process.once('exit', done));
    this.#process.kill('SIGTERM');
    await gone;
  }

  async stop() {
    await this.down();
    rmSync(this.root, { recursive: true, force: true });
  }
}

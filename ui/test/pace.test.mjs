// What the page says about how long a run still takes, decided on made-up events: never a lie, never zero, never less done
// than before.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';

/** A module of the page, for Node. */
async function load(path) {
  const out = mkdtempSync(join(tmpdir(), 'recoup-pace-'));
  const root = new URL('..', import.meta.url).pathname;
  await build({ root, configFile: false, logLevel: 'error', publicDir: false, build: { ssr: join(root, path), outDir: out, emptyOutDir: true, rollupOptions: { output: { entryFileNames: 'module.mjs' } } } });
  globalThis.document ??= { documentElement: {}, baseURI: 'http://localhost/' };
  globalThis.localStorage ??= { getItem: () => 'en' };
  const loaded = await import(join(out, 'module.mjs'));
  rmSync(out, { recursive: true });
  return loaded;
}

/** A run that tells something each second: bytes at a second from `speed`, of `total`. */
function* telling(seconds, speed, total) {
  const samples = [];
  let done = 0;
  for (let second = 0; second <= seconds; second++) {
    const at = second * 1000;
    const whole = typeof total === 'function' ? total(second) : total;
    samples.push({ at, phase: 'Storing', what: 'a', done: Math.min(done, whole ?? Infinity), total: whole });
    yield { now: at, live: { samples: samples.slice(-60), at, lines: [], event: {} }, done };
    done += speed(second);
  }
}

export default async function ({ criterion }) {
  const { left, percent, speed } = await load('src/words/pace.ts');
  const shapes = {
    steady: [40, () => 10e6, 300e6],
    slowing: [60, (second) => 20e6 / (1 + second / 5), 300e6],
    halting: [60, (second) => (second % 10 < 5 ? 20e6 : 0), 400e6],
    growing: [60, () => 10e6, (second) => 300e6 + second * 2e6],
    unknown: [20, () => 10e6, null],
    tiny: [5, () => 10, 20],
  };

  await criterion('F11', 'the time that is left is never zero, and not told in the first three seconds or of an unknown whole', () => {
    const wrong = [];
    for (const [name, shape] of Object.entries(shapes)) {
      for (const { now, live } of telling(...shape)) {
        const text = left(live, now);
        if (/(^|[^\d])0\s?(s|min)/.test(text)) wrong.push(`${name} at ${now}: ${text}`);
        if (text && now < 3000) wrong.push(`${name}: told after ${now} ms: ${text}`);
        if (text && name === 'unknown') wrong.push(`of an unknown whole: ${text}`);
      }
    }
    return wrong;
  });
  await criterion('F11', 'the percentage never falls and is never more than 100', () => {
    const wrong = [];
    for (const [name, shape] of Object.entries(shapes)) {
      let before = 0;
      for (const { now, live } of telling(...shape)) {
        const part = percent(live);
        if (part === undefined) continue;
        if (part < before - 1e-9 || part > 100) wrong.push(`${name} at ${now}: ${part} after ${before}`);
        before = part;
      }
    }
    return wrong;
  });
  await criterion('F11', 'what is told of a steady run is right within a quarter', () => {
    const wrong = [];
    for (const { now, live, done } of telling(...shapes.steady)) {
      const told = /about (\d+)\s(s|min)/.exec(left(live, now));
      if (!told) continue;
      const [meant, said] = [(300e6 - done) / 10e6, Number(told[1]) * (told[2] === 'min' ? 60 : 1)];
      if (said < meant || said > meant * 1.25 + 5) wrong.push(`at ${now}: ${said} s instead of ${meant} s`);
      if (Math.abs(speed(live, now) - 10e6) > 1e5) wrong.push(`at ${now}: ${speed(live, now)} B/s`);
    }
    return wrong;
  });
}

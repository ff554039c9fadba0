// Runs the browser tests: `node test/run.mjs`, or some of them: `node test/run.mjs pages live`. One line for each
// criterion; ends with 1 when one does not hold. What is tested is in the *.test.mjs beside this.
import { readdirSync } from 'node:fs';
import { open, seen } from './browser.mjs';

const started = Date.now();
const wanted = process.argv.slice(2);
const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.mjs'));
let failed = 0;

function tell(id, holds, sentence, began, lines = []) {
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${id.padEnd(4)} ${sentence} (${seconds} s)`);
  for (const line of lines.slice(0, 40)) console.log(`       ${String(line).split('\n').slice(0, 6).join('\n       ')}`);
  if (!holds) failed += 1;
}

/** Decides one criterion: `decide` gives what is wrong, one line each; nothing, or a text that says how well it holds. */
async function criterion(id, sentence, decide) {
  const began = Date.now();
  try {
    const found = (await decide()) ?? [];
    const wrong = Array.isArray(found) ? found : [];
    tell(id, wrong.length === 0, Array.isArray(found) ? sentence : `${sentence}: ${found}`, began, wrong);
  } catch (error) {
    tell(id, false, sentence, began, [error.stack ?? error]);
  }
}

const browser = await open();
try {
  for (const file of files.filter((name) => wanted.length === 0 || wanted.some((word) => name.startsWith(word)))) {
    const { default: decide } = await import(`./${file}`);
    try {
      await decide({ browser, criterion });
    } catch (error) {
      tell('-', false, `${file} ends`, Date.now(), [error.stack ?? error]);
    }
  }
} finally {
  await browser.close();
}
// Over everything that was opened above.
const now = Date.now();
const told = (lines) => [...new Set(lines)];
await criterion('S1', 'no violation of the content policy on any page', () => told(seen.policy));
await criterion('S2', 'no request to anywhere else', () => told(seen.foreign));
await criterion('F15', 'no page throws or logs an error', () => told(seen.errors));
console.log(`${failed === 0 ? 'all hold' : `${failed} do not hold`}, ${Math.round((now - started) / 1000)} s`);
process.exit(failed === 0 ? 0 : 1);

// Nothing is exported that nobody imports: what is left over after a change is found here.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = new URL('../src', import.meta.url).pathname;
const files = (folder) =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
const texts = files(root)
  .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))
  .map((path) => [path, readFileSync(path, 'utf8')]);
const left = texts.flatMap(([path, text]) =>
  [...text.matchAll(/^export (?:async )?(?:function|const|class|type)\s+(\w+)/gm)]
    .map((found) => found[1])
    .filter((name) => !texts.some(([other, code]) => other !== path && new RegExp(`\\b${name}\\b`).test(code)))
    .map((name) => `${path.slice(root.length + 1)}: ${name}`),
);
if (left.length > 0) {
  console.error(`exported and not imported:\n  ${left.join('\n  ')}`);
  process.exit(1);
}

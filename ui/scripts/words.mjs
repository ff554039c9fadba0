// Every key of the catalogue is used, or begins as a template in the code does (`run.state.${…}`). That each used key is
// there, and that every language has it, the compiler says.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = new URL('../src', import.meta.url).pathname;
const files = (folder) =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
const code = files(root)
  .filter((path) => /\.tsx?$/.test(path) && !/words\/(en|de)/.test(path) && !path.endsWith('schema.d.ts'))
  .map((path) => readFileSync(path, 'utf8'))
  .join('\n');
const used = new Set([...code.matchAll(/['"`]([a-z][\w]*(?:\.[\w]+)+)['"`]/g)].map((found) => found[1]));
const begun = [...code.matchAll(/`([a-z][\w.]*\.)\$\{/g)].map((found) => found[1]);
const english = [join(root, 'words/en.ts'), ...files(join(root, 'words/en'))].map((path) => readFileSync(path, 'utf8')).join('\n');
const keys = [...english.matchAll(/^ {2}'([\w.]+)':/gm)].map((found) => found[1]);
const unused = keys.filter((key) => !used.has(key) && !begun.some((start) => key.startsWith(start)));
if (unused.length > 0) {
  console.error(`words that nothing says: ${unused.join(' ')}`);
  process.exit(1);
}

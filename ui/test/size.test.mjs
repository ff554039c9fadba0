// How much the page weighs: what the first view loads, each page that comes later, everything.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const dist = new URL('../../crates/recoup-server/page/dist', import.meta.url).pathname;
const files = (folder) =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
const packed = (path) => (statSync(`${path}.gz`, { throwIfNoEntry: false }) ?? statSync(path)).size;
const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const limit = (bytes, most, what = '') => (bytes <= most ? `${what}${kB(bytes)} of ${kB(most)}` : [`${what}${kB(bytes)} is more than ${kB(most)}`]);

export default async function ({ criterion }) {
  const all = files(dist).filter((path) => !/\.(gz|br)$/.test(path));
  const scripts = all.filter((path) => path.endsWith('.js'));
  const html = readFileSync(join(dist, 'index.html'), 'utf8');
  // What the HTML names, and what that imports at once.
  const first = new Set([...html.matchAll(/(?:src|href)="\.\/([^"]+\.js)"/g)].map((found) => join(dist, found[1])));
  for (const path of first) {
    const imports = readFileSync(path, 'utf8').matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g);
    for (const found of imports) first.add(join(dist, 'assets', found[1]));
  }
  const sum = (paths) => paths.reduce((bytes, path) => bytes + packed(path), 0);
  const later = scripts.filter((path) => !first.has(path));
  const largest = later.toSorted((a, b) => packed(b) - packed(a))[0];

  await criterion('B1', 'scripts of the first view, gz', () => limit(sum([...first]), 180_000));
  await criterion('B2', 'the largest script that comes later, gz', () => limit(packed(largest), 25_000));
  await criterion('B3', 'all styles, gz', () => limit(sum(all.filter((path) => path.endsWith('.css'))), 12_000));
  await criterion('B4', 'everything, gz and raw', () => {
    const raw = all.reduce((bytes, path) => bytes + statSync(path).size, 0);
    const [small, large] = [limit(sum(all), 320_000), limit(raw, 1_200_000)];
    return Array.isArray(small) || Array.isArray(large) ? [small, large].flat() : `${small}; ${large}`;
  });
}

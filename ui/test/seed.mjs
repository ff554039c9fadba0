// A year's worth of data for a daemon: 12 plans, 2 000 runs, 800 backups, put into its catalog while it is down.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stand } from './stand.mjs';

const PLANS = 12;
const DAY = 86_400_000;

const TOML = (stand) => `
[destination.here]
path = "backups"
[destination.nas]
path = "${stand.away}"
${Array.from({ length: PLANS }, (_, n) => `[plan.plan-${n}]\ndatabases = ["shop.db"]\ndestinations = ["here", "nas"]\nschedule = { every = "daily", at = "03:00", zone = "Europe/Berlin" }\n`).join('')}`;

/** A ULID: it sorts by its time. */
function ulid(at, n) {
  const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  let [text, rest] = ['', at];
  for (let digit = 0; digit < 10; digit++) [text, rest] = [letters[rest % 32] + text, Math.floor(rest / 32)];
  return text + String(n).padStart(16, '0');
}

/** Puts runs and backups of the past into the catalog of a daemon that is down. */
function seed(stand) {
  const catalog = join(stand.folder, 'recoup-data/catalog.db');
  const sql = (text) => execFileSync('sqlite3', ['-json', catalog], { input: text, maxBuffer: 1 << 26 }).toString();
  const plans = JSON.parse(sql("SELECT id, name, owner FROM plan WHERE name LIKE 'plan-%'"));
  const now = Date.now();
  const lines = ['BEGIN;'];
  for (let n = 0; n < 2000; n++) {
    const plan = plans[n % PLANS];
    const at = now - Math.floor(n / PLANS) * DAY - (n % PLANS) * 60_000 - 3_600_000;
    const outcome = n % 97 === 0 ? 'failed' : 'good';
    lines.push(
      `INSERT INTO run (id, plan, plan_name, owner, kind, cause, state, outcome, resource, request, result, due_at, queued_at, started_at, finished_at)
       VALUES ('${ulid(at, n)}', '${plan.id}', '${plan.name}', '${plan.owner}', 'backup', 'scheduled', 'done', '${outcome}', '${plan.id}', '{}', '{"bytes": 84000000, "duration_ms": 3000}', ${at}, ${at}, ${at}, ${at + 3000});`,
    );
    if (n < 800) {
      for (const place of ['here', 'nas'])
        lines.push(
          `INSERT INTO backup (id, destination, plan, owner, kind, format, created_at, bytes, verified, verified_at, protected)
           VALUES ('${ulid(at, n)}', '${place}', '${plan.name}', '${plan.owner}', 'scheduled', 'archive', ${at}, 84000000, 'integrity', ${at}, 0);`,
        );
    }
  }
  for (const plan of plans) lines.push(`UPDATE plan SET last_success = ${now - 3_600_000}, last_attempt = ${now - 3_600_000}, last_verified = ${now - 3_600_000}, last_outcome = 'good' WHERE id = '${plan.id}';`);
  lines.push('COMMIT;');
  sql(lines.join('\n'));
}

export async function seeded() {
  const stand = await Stand.start({ toml: TOML });
  // The destinations are there.
  await stand.backUp('plan-0');
  await stand.down();
  seed(stand);
  await stand.up();
  const { plans, backups } = await stand.json('GET', '/overview');
  if (plans.length !== PLANS + 1 || backups.length !== 8) throw new Error(`seeded ${plans.length} plans, ${backups.length} latest backups`);
  return stand;
}

/** A plan with `count` backups on the disk: one that was made, and copies of it that are each an hour older. */
export async function clones(stand, plan, count) {
  await stand.json('POST', '/plans', { name: plan, plan: { databases: [join(stand.folder, 'shop.db')], destinations: ['here'] } });
  const { result } = await stand.backUp(plan);
  const folder = join(stand.folder, 'backups', plan);
  const name = readdirSync(folder).find((one) => one.endsWith('.manifest.json'));
  const whole = readFileSync(join(folder, name), 'utf8');
  const body = whole.slice(0, whole.lastIndexOf('  "manifest_sha256"'));
  const [stem, at] = [name.replace('.manifest.json', ''), Date.parse(JSON.parse(whole).created_at)];
  for (let n = 1; n < count; n++) {
    const made = new Date(at - n * 3_600_000).toISOString();
    const id = ulid(Date.parse(made), n);
    const own = `${plan}-${made.replace(/[-:]|\.\d+/g, '')}-${id.slice(-6).toLowerCase()}`;
    const text = body.replaceAll(stem, own).replaceAll(result.backup, id).replace(/"created_at": "[^"]*"/, `"created_at": "${made}"`);
    writeFileSync(join(folder, `${own}.manifest.json`), `${text}  "manifest_sha256": "${createHash('sha256').update(text).digest('hex')}"\n}\n`);
    linkSync(join(folder, `${stem}.zip`), join(folder, `${own}.zip`));
  }
}

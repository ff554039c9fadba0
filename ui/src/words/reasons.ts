// Why retention keeps or removes a backup: the server's few phrases, as keys of the catalogue. A phrase that is not known
// is shown as the server says it.
import { t, type Key } from './index';

const PHRASES: [RegExp, Key, ...string[]][] = [
  [/^it is protected$/, 'reason.protected'],
  [/^it is in use$/, 'reason.in_use'],
  [/^it was never verified/, 'reason.unverified'],
  [/^it is dated in the future/, 'reason.future'],
  [/^it has been damaged for 7 days/, 'reason.damaged_long'],
  [/^it is damaged/, 'reason.damaged'],
  [/^within (\d+) days$/, 'reason.within', 'n'],
  [/^older than (\d+) days$/, 'reason.older', 'n'],
  [/^every one of the last (\d+) days$/, 'reason.every', 'n'],
  [/^newest (\d+) of (\d+)$/, 'reason.newest_of', 'at', 'n'],
  [/^not among the newest (\d+)$/, 'reason.not_newest', 'n'],
  [/^its (\w+) has a newer one$/, 'reason.replaced', 'unit'],
  [/^older than the (\d+) (\w+)$/, 'reason.older_than', 'n', 'tier'],
  [/^(minutely|hourly|daily|weekly|monthly|yearly) (\d+) of (\d+)$/, 'reason.tier', 'tier', 'at', 'n'],
  [/^the newest good one$/, 'reason.newest_good'],
  [/^the newest one$/, 'reason.newest'],
  [/^never fewer than the floor$/, 'reason.floor'],
  [/^the newest that a test restore proved$/, 'reason.newest_proven'],
];
const UNITS = ['minute', 'hour', 'day', 'week', 'month', 'year'] as const;
const TIERS = ['minutely', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;

/** One reason in the language of the page. */
export function reason(said: string): string {
  for (const [pattern, key, ...names] of PHRASES) {
    const found = pattern.exec(said);
    if (!found) continue;
    const values = Object.fromEntries(
      names.map((name, at) => {
        const text = found[at + 1] ?? '';
        const unit = UNITS.find((one) => one === text);
        const tier = TIERS.find((one) => one === text);
        if (name === 'unit' && unit) return [name, t(`reason.unit.${unit}`)];
        if (name === 'tier' && tier) return [name, t(`reason.tier.${tier}`)];
        return [name, /^\d+$/.test(text) ? Number(text) : text];
      }),
    );
    return t(key, values);
  }
  return said;
}

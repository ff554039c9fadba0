// How fast a run is and how long it takes yet, from what it told of the step it is in. Honest before precise: nothing is
// said in the first three seconds or below two percent, a range where the speed varies, and never "0 seconds".
import type { Live, Sample } from '../api/live';
import { t } from '.';
import { duration } from './format';

/** The samples of the present step. */
function step(live: Live | undefined): Sample[] {
  const last = live?.samples.at(-1);
  if (!live || !last) return [];
  const other = live.samples.findLastIndex((one) => one.phase !== last.phase || one.what !== last.what);
  return live.samples.slice(other + 1);
}

/** How much of the present step is done, 0 to 100; `undefined` when its whole is not known. Never falls. */
export function percent(live: Live | undefined): number | undefined {
  const samples = step(live);
  const total = samples.at(-1)?.total;
  if (!total) return undefined;
  return Math.min(100, Math.max(...samples.map((one) => (100 * one.done) / (one.total ?? total))));
}

/** Bytes a second over the last `window` milliseconds. */
export function speed(live: Live | undefined, now: number, window = 10_000): number {
  const samples = step(live).filter((one) => one.at >= now - window);
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || last.at - first.at < 900) return 0;
  return Math.max(0, (last.done - first.done) / ((last.at - first.at) / 1000));
}

/** The time that is left, in words; empty while nothing honest can be said. */
export function left(live: Live | undefined, now: number): string {
  const samples = step(live);
  const [first, last] = [samples[0], samples.at(-1)];
  const part = percent(live);
  if (!first || !last?.total || part === undefined || part < 2 || last.at - first.at < 3_000) return '';
  if (part >= 99) return t('run.finishing');
  const rates = [speed(live, now, 30_000), speed(live, now, 10_000)].filter((rate) => rate > 0);
  if (rates.length === 0) return '';
  const rest = rates.map((rate) => ((last.total ?? 0) - last.done) / rate).sort((a, b) => a - b);
  const [from, to] = [rest[0] ?? 0, rest.at(-1) ?? 0];
  if (to < 2) return t('run.finishing');
  const round = (seconds: number) => duration(1000 * (seconds < 60 ? Math.max(5, Math.ceil(seconds / 5) * 5) : Math.ceil(seconds / 60) * 60));
  return to > 1.4 * from && round(from) !== round(to)
    ? t('run.left.range', { from: round(from), to: round(to) })
    : t('run.left', { time: round(to) });
}

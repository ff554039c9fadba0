// Sizes, lengths of time and clock times as people read them. Clock times are told in the server's zone, whatever the
// browser's is; which instant is meant (the next run, DST) the server has computed. Not here: sentences.
import { t } from '.';
import { language } from './language';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Bytes with an IEC unit: 84 MiB, 1.2 GiB. */
export function size(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${number(Number(value.toFixed(digits)))}\u00a0${UNITS[unit]}`;
}

/** A number with the separators of the language. */
export function number(value: number): string {
  return new Intl.NumberFormat(language()).format(value);
}

/** How many more or fewer: +3, −2, ±0. */
export function difference(value: number): string {
  if (value === 0) return `±${number(0)}`;
  return new Intl.NumberFormat(language(), { signDisplay: 'always' }).format(value).replace('-', '−');
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86400],
  ['month', 30 * 86400],
  ['day', 86400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

/** The unit in which a length of time is told, and how many of it: 11 hours, 3 days, never 36 hours after two days. */
function told(seconds: number): [number, Intl.RelativeTimeFormatUnit] {
  const length = Math.abs(seconds);
  // 47 hours are told as hours, 48 as days: a day more or less is a lot.
  const step = STEPS.find(([unit, size]) => length >= (unit === 'day' ? 2 * size : size)) ?? ['second', 1];
  return [Math.trunc(seconds / step[1]), step[0]];
}

/** 2 hours ago, in 5 minutes. */
export function relative(instant: string | number, now: number): string {
  const seconds = (new Date(instant).getTime() - now) / 1000;
  if (seconds <= 0 && seconds > -45) return t('time.just_now');
  const [count, unit] = told(seconds);
  return new Intl.RelativeTimeFormat(language(), { numeric: 'always' }).format(count, unit);
}

/** The same in every language that we have. */
const SHORT = { hour: 'h', minute: 'min', second: 's' } as const;

/** A length of time in its two largest units: 1 h 12 min, 6 min 20 s, 3.2 s. */
export function duration(milliseconds: number): string {
  const unit = (value: number, name: string, digits = 0) =>
    name === 'day'
      ? new Intl.NumberFormat(language(), { style: 'unit', unit: name, unitDisplay: 'long' }).format(value)
      : `${number(Number(value.toFixed(digits)))}\u00a0${SHORT[name as keyof typeof SHORT]}`;
  const seconds = milliseconds / 1000;
  if (seconds < 10) return unit(seconds, 'second', 1);
  if (seconds < 60) return unit(Math.round(seconds), 'second');
  const pairs: [number, string, number, string][] = [
    [86400, 'day', 3600, 'hour'],
    [3600, 'hour', 60, 'minute'],
    [60, 'minute', 1, 'second'],
  ];
  const [big, bigName, small, smallName] = pairs.find(([least]) => seconds >= least) ?? [60, 'minute', 1, 'second'];
  const rest = Math.floor((seconds % big) / small);
  const first = unit(Math.floor(seconds / big), bigName);
  return rest === 0 ? first : `${first} ${unit(rest, smallName)}`;
}

/** 21 Nov 2026, 14:02 in a zone; with `day: false` only the time, with `seconds` also them. */
export function clock(instant: string | number, zone: string, options: { day?: boolean; seconds?: boolean } = {}): string {
  const { day = true, seconds = false } = options;
  // Making one takes longer than using it, and a log has hundreds of lines.
  const key = `${language()} ${zone} ${day} ${seconds}`;
  const made =
    clocks.get(key) ??
    new Intl.DateTimeFormat(language(), {
      timeZone: known(zone),
      ...(day && { day: 'numeric', month: 'short', year: 'numeric' }),
      hour: '2-digit',
      minute: '2-digit',
      ...(seconds && { second: '2-digit' }),
      hourCycle: 'h23',
    });
  clocks.set(key, made);
  return made.format(new Date(instant));
}

const clocks = new Map<string, Intl.DateTimeFormat>();

/** Sat 21 Nov, 14:02. */
export function soon(instant: string, zone: string): string {
  const parts = { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' } as const;
  return new Intl.DateTimeFormat(language(), { timeZone: known(zone), ...parts, hourCycle: 'h23' }).format(new Date(instant));
}

/** 14:02 while it is the same day there, else Sat 21 Nov, 14:02. */
export function until(instant: string, now: number, zone: string): string {
  const date = (at: string | number) => new Intl.DateTimeFormat('en', { timeZone: known(zone), dateStyle: 'short' }).format(new Date(at));
  return date(instant) === date(now) ? clock(instant, zone, { day: false }) : soon(instant, zone);
}

/** 21 Nov 2026, of a calendar date without a clock time. */
export function day(date: string, options: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'short', year: 'numeric' }): string {
  return new Intl.DateTimeFormat(language(), { timeZone: 'UTC', ...options }).format(Date.parse(date));
}

/** A list in a sentence: a, b and c. */
export function list(items: string[]): string {
  return new Intl.ListFormat(language(), { type: 'conjunction' }).format(items);
}

/** The zone, or UTC when this browser does not know it. */
function known(zone: string): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch {
    return 'UTC';
  }
}

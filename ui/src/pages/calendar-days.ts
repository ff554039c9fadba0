// The days of the calendar as plain dates, and what happened on each: the worst state of its runs, or what is planned. Not
// here: how they are drawn.
import type { Schemas } from '../api/client';
import { t } from '../words';
import { day as dayName, list } from '../words/format';

export const WEEKS = 36;
/** Weeks after this one, for what is planned. */
const AHEAD = 4;
const DAY = 86_400_000;

export const STATES = ['failed', 'missed', 'interrupted', 'warnings', 'cancelled', 'good', 'planned', 'none'] as const;
export type DayState = (typeof STATES)[number];
export type Day = { date: string; state: DayState; runs: Schemas['DayRun'][]; planned: Schemas['PlannedView'][]; name: string; faded: boolean };

const write = (at: number) => new Date(at).toISOString().slice(0, 10);
export const shift = (date: string, days: number): string => write(Date.parse(date) + days * DAY);

/** The Monday of the first week and the Sunday of the last, for a calendar that ends some screens before now. */
export function range(today: string, back: number): { from: string; until: string } {
  const monday = shift(today, -((new Date(today).getUTCDay() + 6) % 7));
  const until = shift(monday, 6 + 7 * AHEAD - back * 7 * WEEKS);
  return { from: shift(until, 1 - 7 * WEEKS), until };
}

/** Every day of the range with what the server knows of it. */
export function daysOf(answer: Schemas['CalendarView'], from: string): Day[] {
  const known = new Map(answer.days.map((one) => [one.date, one.runs]));
  const planned = new Map<string, Schemas['PlannedView'][]>();
  for (const one of answer.planned) planned.set(one.date, [...(planned.get(one.date) ?? []), one]);
  return Array.from({ length: WEEKS * 7 }, (_, index) => {
    const date = shift(from, index);
    const runs = known.get(date) ?? [];
    const ahead = planned.get(date) ?? [];
    const state = STATES.find((one) => runs.some((run) => run.outcome === one)) ?? (ahead.length > 0 ? 'planned' : 'none');
    const faded = fades(state, runs);
    return { date, state, runs, planned: ahead, faded, name: nameOf(date, state, runs, ahead, faded) };
  });
}

/** Nothing of what went well that day can be restored any more. What went wrong never fades. */
function fades(state: DayState, runs: Day['runs']): boolean {
  const made = runs.filter((run) => run.kind === 'backup' && (run.outcome === 'good' || run.outcome === 'warnings'));
  return (state === 'good' || state === 'warnings') && made.length > 0 && made.every((run) => run.gone);
}

/** A day in a sentence: Thursday 19 November 2026: 3 runs, good; 1 planned. */
function nameOf(date: string, state: DayState, runs: Day['runs'], planned: Day['planned'], faded: boolean): string {
  const when = dayName(date, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
  const told = [
    runs.length > 0 && t('calendar.runs', { n: runs.length, state: t(`calendar.state.${state}`) }),
    faded && t('calendar.faded.day'),
    planned.length > 0 && t('calendar.planned', { n: planned.reduce((sum, one) => sum + one.times, 0), plans: list([...new Set(planned.map((one) => one.plan))]) }),
  ].filter((part) => part !== false);
  return `${when}: ${told.join('; ') || t('calendar.state.none')}`;
}

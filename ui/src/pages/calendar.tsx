// What ran on each day of 36 weeks, drawn from the log of runs, so that what retention removes changes nothing; and what is
// planned. Arrows go from day to day and week to week; the list below holds the same.
import { useRef, useState, type KeyboardEvent } from 'react';
import { Link } from 'wouter';
import { useCalendar } from '../api/settings';
import { useCards } from '../api/queries';
import { Button } from '../parts/button';
import { Select } from '../parts/field';
import { RunPill } from '../parts/pill';
import { Answer, Empty } from '../parts/state';
import { Table } from '../parts/table';
import { Time } from '../parts/time';
import { useFilters } from '../shell/filters';
import { Page } from '../shell/page';
import { t } from '../words';
import { day as dayName, list } from '../words/format';
import { present } from '../words/now';
import { daysOf, range, shift, WEEKS, type Day, type DayState } from './calendar-days';
import { pathOf } from './plan-card';

const LEGEND: DayState[] = ['good', 'warnings', 'failed', 'missed', 'planned', 'none'];
/** A sign beside the colour. */
const SIGNS: Record<DayState, string> = { good: '✓', warnings: '!', failed: '✕', interrupted: '✕', missed: '–', cancelled: '▪', planned: '·', none: '' };

const looks = (one: Day) => `day ${one.state}${one.faded ? ' faded' : ''}`;

export function Calendar() {
  const { of, set } = useFilters();
  const cards = useCards();
  const [today] = useState(() => new Date(present()).toISOString().slice(0, 10));
  const back = Math.max(0, Number(of('back')) || 0);
  const plan = of('plan');
  const { from, until } = range(today, back);
  const answer = useCalendar(from, until, plan);
  return (
    <Page title={t('page.calendar')} answer={answer.data && <Sentence days={daysOf(answer.data, from)} today={answer.data.today} />}>
      <div className="spread">
        <div className="filters">
          <Select label={t('backups.plan')} value={plan} onChange={(event) => set('plan', event.target.value)}>
            <option value="">{t('backups.any_plan')}</option>
            {cards.data?.plans.map((one) => <option key={one.name}>{one.name}</option>)}
          </Select>
        </div>
        <div className="buttons">
          <Button icon="back" onClick={() => set('back', String(back + 1))}>
            {t('calendar.older')}
          </Button>
          <Button disabled={back === 0} onClick={() => set('back', back > 1 ? String(back - 1) : '')}>
            {t('calendar.newer')}
          </Button>
        </div>
      </div>
      <Answer of={answer} card>
        {(known) => <Days days={daysOf(known, from)} today={known.today} chosen={of('day') || known.today} onChoose={(date) => set('day', date)} zone={known.zone} />}
      </Answer>
    </Page>
  );
}

function Sentence({ days, today }: { days: Day[]; today: string }) {
  const past = days.filter((one) => one.date <= today && one.runs.length > 0);
  if (past.length === 0) return t('calendar.empty');
  const bad = past.filter((one) => one.state === 'failed' || one.state === 'missed' || one.state === 'interrupted').length;
  return bad === 0 ? t('calendar.answer.good', { n: past.length }) : t('calendar.answer', { n: bad, days: past.length });
}

type DaysProps = { days: Day[]; today: string; chosen: string; onChoose: (date: string) => void; zone: string };

function Days({ days, today, chosen, onChoose, zone }: DaysProps) {
  const shown = days.find((one) => one.date === chosen) ?? days.find((one) => one.date === today) ?? days.at(-1);
  const [at, setAt] = useState(shown?.date ?? today);
  const grid = useRef<HTMLTableElement>(null);
  const known = days.some((one) => one.date === at) ? at : (shown?.date ?? today);
  const move = (event: KeyboardEvent) => {
    const step = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -7, ArrowRight: 7, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const [first, last] = [days[0]?.date ?? known, days.at(-1)?.date ?? known];
    const next = step === -Infinity ? first : step === Infinity ? last : shift(known, step);
    const target = next < first ? first : next > last ? last : next;
    setAt(target);
    grid.current?.querySelector<HTMLElement>(`[data-date="${target}"]`)?.focus();
  };
  const weeks = Array.from({ length: WEEKS }, (_, week) => days.slice(week * 7, week * 7 + 7));
  const past = days.filter((one) => one.runs.length > 0).toReversed();
  const ahead = days.filter((one) => one.runs.length === 0 && one.planned.length > 0);
  return (
    <>
      <section className="card heat" aria-label={t('page.calendar')}>
        <div className="sideways">
          <table ref={grid} role="grid" aria-label={t('calendar.grid', { zone })} onKeyDown={move}>
            <thead aria-hidden="true">
              <tr>
                <td />
                {weeks.map((week) => {
                  const first = week.find((one) => one.date.endsWith('-01'));
                  return <td key={week[0]?.date}>{first && dayName(first.date, { month: 'short' })}</td>;
                })}
              </tr>
            </thead>
            <tbody>
              {Array.from({ length: 7 }, (_, weekday) => (
                <tr key={weekday} role="row">
                  <th scope="row">
                    <span className={weekday % 2 === 0 ? undefined : 'hidden'}>{dayName(days[weekday]?.date ?? today, { weekday: 'short' })}</span>
                  </th>
                  {weeks.map((week) => {
                    const one = week[weekday];
                    return (
                      one && (
                        <td key={one.date} role="gridcell" aria-selected={one.date === shown?.date}>
                          <button
                            type="button"
                            className={looks(one)}
                            data-date={one.date}
                            tabIndex={one.date === known ? 0 : -1}
                            aria-label={one.name}
                            title={one.name}
                            aria-current={one.date === today ? 'date' : undefined}
                            onFocus={() => setAt(one.date)}
                            onClick={() => onChoose(one.date)}
                          >
                            <span aria-hidden="true">{SIGNS[one.state]}</span>
                          </button>
                        </td>
                      )
                    );
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <ul className="legend">
          {LEGEND.map((state) => (
            <li key={state}>
              <span className={`day ${state}`} aria-hidden="true">
                {SIGNS[state]}
              </span>
              {t(`calendar.state.${state}`)}
            </li>
          ))}
          <li>
            <span className="day good faded" aria-hidden="true">
              {SIGNS.good}
            </span>
            {t('calendar.faded')}
          </li>
        </ul>
      </section>
      {shown && <One day={shown} />}
      <section className="card">
        <h2>{t('calendar.list')}</h2>
        {past.length === 0 ? <Empty>{t('calendar.empty')}</Empty> : <DayList days={past} onChoose={onChoose} />}
        {ahead.length > 0 && (
          <details className="fold">
            <summary>
              <span>{t('calendar.ahead')}</span>
            </summary>
            <DayList days={ahead} onChoose={onChoose} />
          </details>
        )}
      </section>
    </>
  );
}

function DayList({ days, onChoose }: { days: Day[]; onChoose: (date: string) => void }) {
  return (
    <ul className="list days">
      {days.map((one) => (
        <li key={one.date} data-day={one.date}>
          <button type="button" className="button plain" onClick={() => onChoose(one.date)}>
            <span className={looks(one)} aria-hidden="true">
              {SIGNS[one.state]}
            </span>
            {one.name}
          </button>
        </li>
      ))}
    </ul>
  );
}

/** The day that was chosen: its runs, and what is planned. */
function One({ day }: { day: Day }) {
  return (
    <section className="card" aria-live="polite">
      <h2>{dayName(day.date, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })}</h2>
      {day.runs.length === 0 && day.planned.length === 0 && <p className="quiet">{t('calendar.nothing')}</p>}
      {day.runs.length > 0 && (
        <Table
          caption={t('page.runs')}
          rows={day.runs}
          id={(run) => run.id}
          columns={[
            {
              name: t('runs.kind'),
              cell: (run) => (
                <Link to={`/runs/${run.id}`}>
                  {t(`run.kind.${run.kind}`)} <Time at={run.at} exact />
                </Link>
              ),
            },
            { name: t('plan.name'), cell: (run) => <Link to={pathOf(run.plan)}>{run.plan}</Link> },
            {
              name: t('plan.state'),
              cell: (run) => (
                <>
                  <RunPill run={{ state: 'done', outcome: run.outcome }} /> {run.gone && <span className="quiet small">{t('calendar.gone')}</span>}
                </>
              ),
            },
          ]}
        />
      )}
      {day.planned.length > 0 && (
        <p>
          {t('calendar.planned', { n: day.planned.reduce((sum, one) => sum + one.times, 0), plans: list([...new Set(day.planned.map((one) => one.plan))]) })}
        </p>
      )}
    </section>
  );
}

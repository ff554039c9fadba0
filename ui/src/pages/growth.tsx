// How a destination fills: an area by day, the pace of the last 30 days as a dashed line, the day on which it is full; and
// the same numbers as a table. Own SVG: one curve needs no library.
import type { Schemas } from '../api/client';
import { Table } from '../parts/table';
import { t } from '../words';
import { day, number, size } from '../words/format';

type Filled = Schemas['FilledView'];
const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [640, 180, 68, 22, 8];
const DAY = 86_400_000;

export function Growth({ filled }: { filled: Filled }) {
  const last = filled.days.at(-1);
  if (!last) return <p className="quiet">{t('growth.empty')}</p>;
  return (
    <div className="stack tight">
      <p>
        {t('growth.now', { size: size(last.bytes), n: last.backups })}
        {last.free != null && <> {t('growth.free', { size: size(last.free) })}</>}
      </p>
      <p>
        {filled.full_on ? t('growth.full_on', { day: day(filled.full_on) }) : filled.bytes_a_day != null ? t('growth.not_soon') : t('growth.unknown')}
        {filled.bytes_a_day != null && filled.bytes_a_day > 0 && <> {t('growth.pace', { size: size(filled.bytes_a_day) })}</>}
      </p>
      <Chart filled={filled} />
      <details className="fold">
        <summary>
          <span>{t('growth.table')}</span>
        </summary>
        <div className="scrolls" tabIndex={0} role="region" aria-label={t('growth.table')}>
          <Table
            caption={t('growth.table')}
            rows={filled.days.toReversed()}
            id={(one) => one.date}
            columns={[
              { name: t('growth.day'), cell: (one) => <time dateTime={one.date}>{day(one.date)}</time> },
              { name: t('plan.backups'), cell: (one) => number(one.backups), end: true },
              { name: t('plan.size'), cell: (one) => size(one.bytes), end: true },
              { name: t('destinations.free'), cell: (one) => (one.free == null ? t('word.unknown') : size(one.free)), end: true },
            ]}
          />
        </div>
      </details>
    </div>
  );
}

function Chart({ filled }: { filled: Filled }) {
  const points = filled.days.map((one) => ({ at: Date.parse(one.date), bytes: one.bytes }));
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || points.length < 2) return null;
  const span = Math.max(last.at - first.at, DAY);
  const pace = filled.bytes_a_day ?? 0;
  // A third more than what is known, for the dashed line.
  const until = pace > 0 ? last.at + Math.max(span / 3, 7 * DAY) : last.at;
  const end = { at: until, bytes: last.bytes + (pace * (until - last.at)) / DAY };
  const top = Math.max(...points.map((one) => one.bytes), end.bytes, 1) * 1.05;
  const x = (at: number) => LEFT + ((at - first.at) / (until - first.at || 1)) * (WIDTH - LEFT - 8);
  const y = (bytes: number) => TOP + (1 - bytes / top) * (HEIGHT - TOP - BOTTOM);
  // A day on which nothing changed is left out by the server: the line stays level until the next one.
  const steps = points.flatMap((one, index) => {
    const before = points[index - 1];
    return before ? [`${x(one.at)},${y(before.bytes)}`, `${x(one.at)},${y(one.bytes)}`] : [`${x(one.at)},${y(one.bytes)}`];
  });
  const floor = y(0);
  return (
    <svg className="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={t('growth.chart', { destination: filled.destination, from: size(first.bytes), to: size(last.bytes) })}>
      {[0, 0.5, 1].map((part) => (
        <g key={part}>
          <line className="rule" x1={LEFT} x2={WIDTH - 8} y1={y((top / 1.05) * part)} y2={y((top / 1.05) * part)} />
          <text x={LEFT - 6} y={y((top / 1.05) * part) + 4} textAnchor="end">
            {size((top / 1.05) * part)}
          </text>
        </g>
      ))}
      <polygon className="area" points={`${x(first.at)},${floor} ${steps.join(' ')} ${x(last.at)},${floor}`} />
      <polyline className="curve" points={steps.join(' ')} />
      {pace > 0 && <line className="ahead" x1={x(last.at)} y1={y(last.bytes)} x2={x(end.at)} y2={y(end.bytes)} />}
      <text x={LEFT} y={HEIGHT - 6}>
        {day(new Date(first.at).toISOString().slice(0, 10))}
      </text>
      <text x={x(last.at)} y={HEIGHT - 6} textAnchor={pace > 0 ? 'middle' : 'end'}>
        {day(new Date(last.at).toISOString().slice(0, 10))}
      </text>
    </svg>
  );
}

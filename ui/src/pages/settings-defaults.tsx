// What holds for plans that do not say otherwise, and where each value comes from. They are changed in recoup.toml; this only
// shows them. An admin sees every other setting too.
import { useState } from 'react';
import { useDefaults, useValues, type Value } from '../api/settings';
import { useMay } from '../api/queries';
import { Answer } from '../parts/state';
import { Table } from '../parts/table';
import { t, type Key } from '../words';
import { list } from '../words/format';

const NAMES: Record<string, Key> = {
  format: 'defaults.format',
  destinations: 'defaults.destinations',
  retention: 'defaults.retention',
  'retention.preset': 'defaults.retention',
  schedule: 'defaults.schedule',
  'schedule.zone': 'defaults.zone',
  test_restore: 'defaults.test_restore',
  deadline: 'defaults.deadline',
  compact: 'defaults.compact',
};
/** What nothing means there. */
const NOTHING: Record<string, Key> = { retention: 'defaults.keeps_all', schedule: 'defaults.by_hand' };

export function Defaults() {
  const defaults = useDefaults();
  const may = useMay();
  const [open, set] = useState(false);
  const all = useValues(open);
  return (
    <>
      <section className="card">
        <h2>{t('settings.tab.defaults')}</h2>
        <p>{t('defaults.text')}</p>
        <Answer of={defaults} lines={6}>
          {(items) => <Values items={items} caption={t('settings.tab.defaults')} />}
        </Answer>
        <p className="small quiet">{t('settings.fixed.help')}</p>
      </section>
      {may.admin && (
        <details className="fold" onToggle={(event) => set(event.currentTarget.open)}>
          <summary>{t('defaults.all')}</summary>
          {open && (
            <Answer of={all} lines={6}>
              {(items) => <Values items={items} caption={t('defaults.all')} />}
            </Answer>
          )}
        </details>
      )}
    </>
  );
}

function Values({ items, caption }: { items: Value[]; caption: string }) {
  return (
    <Table
      caption={caption}
      rows={items}
      id={(item) => item.key}
      columns={[
        { name: t('defaults.setting'), cell: (item: Value) => <Name item={item} /> },
        { name: t('defaults.value'), cell: (item) => shown(item) },
        { name: t('defaults.from'), cell: (item) => t(`defaults.from.${item.origin}`, { place: item.place ?? '' }) },
      ]}
    />
  );
}

function Name({ item: { key } }: { item: Value }) {
  const known = NAMES[key];
  return known ? t(known) : <span className="mono">{key}</span>;
}

function shown({ key, value }: Value): string {
  const nothing = NOTHING[key];
  if (value === null || value === undefined) return nothing ? t(nothing) : t('word.none');
  if (Array.isArray(value)) return list(value.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))));
  if (typeof value === 'boolean') return t(value ? 'word.yes' : 'word.no');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

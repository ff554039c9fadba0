// The palette: type a few letters of a place, a plan or a command and press Enter. And the list of keys. Both are fetched
// when somebody asks for them.
import { useId, useState, type KeyboardEvent } from 'react';
import { useLocation } from 'wouter';
import { useCards, useMay, useStart } from '../api/queries';
import { Dialog } from '../parts/dialog';
import { Icon, type IconName } from '../parts/icon';
import { toast } from '../parts/toast';
import { t } from '../words';
import { pathOf } from '../pages/plan-card';
import { GO } from './keys';
import { PLACES } from './places';

type Entry = { name: string; icon: IconName; act: () => void };
const SHOWN = 9;

/** Everything that the palette can do, for whoever is signed in. */
function useEntries(): Entry[] {
  const [, go] = useLocation();
  const plans = useCards().data?.plans ?? [];
  const may = useMay();
  const start = useStart();
  const run = (plan: string) =>
    start.mutate({ plan }, { onSuccess: (done) => go(`/runs/${done.run}`), onError: (error) => toast(error.message, { icon: 'warning' }) });
  return [
    ...PLACES.map((place) => ({ name: t(place.name), icon: place.icon, act: () => go(place.to) })),
    { name: t('page.profile'), icon: 'user', act: () => go('/profile') },
    ...plans.map((plan): Entry => ({ name: plan.name, icon: 'shield', act: () => go(pathOf(plan.name)) })),
    ...(may.change ? plans.map((plan): Entry => ({ name: t('keys.back_up', { plan: plan.name }), icon: 'play', act: () => run(plan.name) })) : []),
  ];
}

export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const id = useId();
  const letters = text.trim().toLowerCase();
  const found = useEntries()
    .filter((entry) => entry.name.toLowerCase().includes(letters))
    .slice(0, SHOWN);
  const chosen = found[Math.min(at, found.length - 1)];
  const choose = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.act();
  };
  const press = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (event.key === 'Enter') choose(chosen);
    else if (step !== undefined && found.length > 0) setAt((Math.min(at, found.length - 1) + step + found.length) % found.length);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog open title={t('keys.palette')} onClose={onClose}>
      <input
        className="input"
        role="combobox"
        aria-label={t('keys.palette.label')}
        aria-expanded
        aria-controls={`${id}-list`}
        aria-activedescendant={chosen && `${id}-${found.indexOf(chosen)}`}
        autoComplete="off"
        autoFocus
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={press}
      />
      <div id={`${id}-list`} role="listbox" aria-label={t('keys.palette')} className="palette">
        {found.map((entry, index) => (
          <div key={entry.name} id={`${id}-${index}`} role="option" aria-selected={entry === chosen} onClick={() => choose(entry)}>
            <Icon name={entry.icon} />
            {entry.name}
          </div>
        ))}
      </div>
      <p className="small quiet" role="status">
        {found.length === 0 ? t('keys.nothing') : t('keys.hint')}
      </p>
    </Dialog>
  );
}

export function KeyList({ onClose }: { onClose: () => void }) {
  const named = (to: string) => PLACES.find((place) => place.to === to);
  const rows: [string, string][] = [
    ['Ctrl K', t('keys.palette')],
    ['/', t('keys.search')],
    ['?', t('keys.list')],
    ...Object.entries(GO).flatMap(([key, to]): [string, string][] => {
      const place = named(to);
      return place ? [[`g ${key}`, t(place.name)]] : [];
    }),
    ['Esc', t('word.close')],
  ];
  return (
    <Dialog open title={t('keys.list')} onClose={onClose}>
      <dl className="facts">
        {rows.map(([keys, what]) => (
          <div key={keys} className="contents">
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p className="small quiet">{t('keys.off')}</p>
    </Dialog>
  );
}

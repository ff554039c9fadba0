// Filters of a list. They are in the address, so that a list can be sent to somebody and Back works; an empty one is not
// there at all.
import { useMemo } from 'react';
import { useSearchParams } from 'wouter';
import { Select } from '../parts/field';
import { t } from '../words';

const DAYS = { d1: 1, d7: 7, d30: 30, d90: 90 } as const;
type Period = keyof typeof DAYS;
const PERIODS = Object.keys(DAYS) as Period[];

export type Filters = {
  /** What the address says; nothing is the empty text. */
  of: (name: string) => string;
  /** The same, as one of some words. */
  one: <Word extends string>(name: string, words: readonly Word[]) => Word | undefined;
  set: (name: string, value: string) => void;
  clear: () => void;
  any: boolean;
  /** The beginning of the chosen period. */
  since: string | undefined;
};

export function useFilters(): Filters {
  const [search, setSearch] = useSearchParams();
  const period = PERIODS.find((one) => one === search.get('period'));
  // To the minute, so that drawing again does not ask again.
  const since = useMemo(() => period && new Date(Math.floor(Date.now() / 60_000) * 60_000 - DAYS[period] * 86_400_000).toISOString(), [period]);
  return {
    of: (name) => search.get(name) ?? '',
    one: (name, words) => words.find((word) => word === search.get(name)),
    set: (name, value) =>
      setSearch(
        (before) => {
          const next = new URLSearchParams(before);
          if (value) next.set(name, value);
          else next.delete(name);
          return next;
        },
        { replace: true },
      ),
    // How a list is sorted hides nothing.
    clear: () => setSearch((before) => new URLSearchParams([...before].filter(([name]) => name === 'sort')), { replace: true }),
    any: [...search.keys()].some((name) => name !== 'sort'),
    since,
  };
}

type FilterSelectProps<Word extends string> = { label: string; name: string; filters: Filters; words: readonly Word[]; any: string; say: (word: Word) => string };

/** A filter that is one of some words, or any of them. */
export function FilterSelect<Word extends string>({ label, name, filters, words, any, say }: FilterSelectProps<Word>) {
  return (
    <Select label={label} value={filters.one(name, words) ?? ''} onChange={(event) => filters.set(name, event.target.value)}>
      <option value="">{any}</option>
      {words.map((word) => (
        <option key={word} value={word}>
          {say(word)}
        </option>
      ))}
    </Select>
  );
}

export function PeriodSelect({ label, filters }: { label: string; filters: Filters }) {
  return <FilterSelect label={label} name="period" filters={filters} words={PERIODS} any={t('backups.period.any')} say={(word) => t(`backups.period.${word}`)} />;
}

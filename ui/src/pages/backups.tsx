// Every backup, newest first. Search and filters are in the address; the server filters, so that pages are whole. Not here:
// the list itself (backup-list.tsx), and those in which a name lies (backup-named.tsx).
import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import { useDestinations, useLater } from '../api/plans';
import { useCards, useMay, useZone, type Card } from '../api/queries';
import { Button, ButtonLink } from '../parts/button';
import { Check, TextField } from '../parts/field';
import { Empty } from '../parts/state';
import { Text } from '../parts/text';
import { Time, useNow } from '../parts/time';
import { FilterSelect, PeriodSelect, useFilters } from '../shell/filters';
import { Page } from '../shell/page';
import { t } from '../words';
import { relative, soon } from '../words/format';
import { BackupList } from './backup-list';
import { BackupsNamed } from './backup-named';

const KINDS = ['scheduled', 'manual', 'pre_restore', 'pre_migration', 'upload'] as const;
const STATES = ['restored', 'verified', 'unverified', 'damaged'] as const;
/** Filters that are folded away while none of them is set. */
const RARE = ['kind', 'period', 'destination', 'protected'];

export function Backups() {
  const filters = useFilters();
  const { of, one, set, since } = filters;
  const cards = useCards();
  const places = useDestinations();
  const may = useMay();
  const [plan, destination, text] = [of('plan'), of('destination'), of('q')];
  const [kind, state] = [one('kind', KINDS), one('state', STATES)];
  const held = of('protected') === 'yes';
  const search = useLater(text.trim(), 200);
  const filter = {
    ...(plan && { plan }),
    ...(kind && { kind }),
    ...(since && { since }),
    ...(destination && { destination }),
    ...(state && { state }),
    ...(search && { search }),
    ...(held && { protected: true }),
  };
  const named = of('file').trim();
  const rare = RARE.filter((name) => of(name)).length;
  return (
    <Page
      title={t('page.backups')}
      answer={cards.data ? <Sentence plans={cards.data.plans} /> : null}
      actions={
        may.change && (
          <ButtonLink to="/restore/upload" icon="plus">
            {t('backups.add_file')}
          </ButtonLink>
        )
      }
    >
      <div className="filters">
        <TextField label={t('backups.search')} type="search" value={text} onChange={(event) => set('q', event.target.value)} />
        <FilterSelect label={t('backups.plan')} name="plan" filters={filters} words={names(cards.data?.plans.map((card) => card.name), plan)} any={t('backups.any_plan')} say={(name) => name} />
        <FilterSelect label={t('backup.proof')} name="state" filters={filters} words={STATES} any={t('backups.any_state')} say={(word) => t(`backups.state.${word}`)} />
      </div>
      <details className="fold" open={rare > 0}>
        <summary>{t('backups.more_filters')}</summary>
        <div className="filters">
          <FilterSelect label={t('backups.kind')} name="kind" filters={filters} words={KINDS} any={t('backups.any_kind')} say={(word) => t(`backup.kind.${word}`)} />
          <FilterSelect label={t('backups.copy_at')} name="destination" filters={filters} words={names(places.data?.map((place) => place.name), destination)} any={t('backups.any_place')} say={(name) => name} />
          <PeriodSelect label={t('backups.period')} filters={filters} />
          <Check label={t('backups.only_protected')} checked={held} onChange={(event) => set('protected', event.target.checked ? 'yes' : '')} />
        </div>
      </details>
      <NameSearch name={named} onSearch={(name) => set('file', name)} />
      <section className="card">
        {named ? (
          <BackupsNamed name={named} filter={filter} />
        ) : (
          <BackupList
            filter={filter}
            empty={
              filters.any ? (
                <Empty action={<Button onClick={filters.clear}>{t('word.clear_filters')}</Button>}>{t('backups.no_match')}</Empty>
              ) : (
                <NoneYet plans={cards.data?.plans} />
              )
            }
          />
        )}
      </section>
      <p>
        <Link to="/backups/trash">{t('trash.link')}</Link>
      </p>
    </Page>
  );
}

/** Backups are opened for it, so it begins with a press and not with every letter. */
function NameSearch({ name, onSearch }: { name: string; onSearch: (name: string) => void }) {
  const [text, write] = useState(name);
  useEffect(() => write(name), [name]);
  return (
    <form
      className="source"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        onSearch(text.trim());
      }}
    >
      <TextField label={t('named.field')} type="search" value={text} onChange={(event) => write(event.target.value)} />
      <Button type="submit" icon="search">
        {t('named.search')}
      </Button>
      {name && (
        <Button look="plain" onClick={() => onSearch('')}>
          {t('named.stop')}
        </Button>
      )}
    </form>
  );
}

/** The names there are, and the one that is asked for: backups outlive their plan. */
function names(there: string[] | undefined, asked: string): string[] {
  const known = new Set(there);
  if (asked) known.add(asked);
  return [...known].sort((a, b) => a.localeCompare(b));
}

function Sentence({ plans }: { plans: Card[] }) {
  const count = plans.reduce((sum, plan) => sum + plan.backups, 0);
  const newest = plans.map((plan) => plan.latest?.created_at).filter((at) => at !== undefined).sort().at(-1);
  if (!newest) return t('backups.answer.none');
  return <Text k="backups.answer" values={{ n: count }} parts={{ age: <Time at={newest} /> }} />;
}

function NoneYet({ plans }: { plans: Card[] | undefined }) {
  const zone = useZone();
  const now = useNow();
  const next = plans?.filter((plan) => plan.enabled && plan.next_run).sort((a, b) => (a.next_run ?? '').localeCompare(b.next_run ?? ''))[0];
  const text = next?.next_run ? t('backups.empty.next', { when: relative(next.next_run, now), at: soon(next.next_run, zone) }) : t('backups.empty');
  return <Empty action={<ButtonLink to="/plans">{t('page.plans')}</ButtonLink>}>{text}</Empty>;
}

// Every plan in a table: how it stands, what it reads, what is next; several can be chosen and worked on together. Search,
// state and order are in the address, so that a list can be sent to somebody.
import { useState } from 'react';
import { Link } from 'wouter';
import { useCards, useMay, type Card } from '../api/queries';
import { ButtonLink } from '../parts/button';
import { Copyable } from '../parts/copy';
import { TextField } from '../parts/field';
import { PlanPill } from '../parts/pill';
import { Remark } from '../parts/remark';
import { Answer, Empty } from '../parts/state';
import { Table } from '../parts/table';
import { Time } from '../parts/time';
import { FilterSelect, useFilters, type Filters } from '../shell/filters';
import { Page } from '../shell/page';
import { t } from '../words';
import { number, size } from '../words/format';
import { covers, Next, pathOf, places } from './plan-card';
import { PlanMenu } from './plan-menu';
import { PlansChosen } from './plans-chosen';

const STATES = ['protected', 'at_risk', 'failing', 'paused', 'never_run'] as const;
/** Those that need somebody first. */
const URGENCY: Card['state'][] = ['failing', 'at_risk', 'never_run', 'paused', 'protected'];
const instant = (at: string | null | undefined) => (at ? Date.parse(at) : undefined);

export function Plans() {
  const cards = useCards();
  const filters = useFilters();
  const { of, set } = filters;
  const may = useMay();
  return (
    <Page
      title={t('page.plans')}
      answer={cards.data ? answer(cards.data.counts) : null}
      actions={
        may.change && (
          <ButtonLink to="/plans/new" icon="plus" look="primary">
            {t('editor.new')}
          </ButtonLink>
        )
      }
    >
      <div className="grid">
        <TextField label={t('plans.search')} type="search" value={of('q')} onChange={(event) => set('q', event.target.value)} />
        <FilterSelect label={t('plans.filter')} name="state" filters={filters} words={STATES} any={t('plans.any')} say={(word) => t(`plan.state.${word}`)} />
      </div>
      <section className="card">
        <Answer of={cards} lines={8}>
          {({ plans }) => <List all={plans} filters={filters} />}
        </Answer>
      </section>
      {cards.data?.from_file && <Remark text="banner.from_file" />}
    </Page>
  );
}

function answer(counts: Record<string, number>): string {
  const n = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const good = counts.protected ?? 0;
  if (n === 0) return t('status.none');
  return good === n ? t('status.all_good', { n }) : t('status.some', { n, good });
}

function List({ all, filters }: { all: Card[]; filters: Filters }) {
  const may = useMay();
  const [names, choose] = useState<ReadonlySet<string>>(new Set());
  const [text, state, by] = [filters.of('q'), filters.of('state'), filters.of('sort')];
  const shown = all.filter((plan) => (!state || plan.state === state) && plan.name.includes(text.toLowerCase()));
  if (all.every((plan) => plan.built_in) && !text && !state) {
    return (
      <>
        <p>{t('overview.no_plans.hint')}</p>
        <Copyable text="recoup demo --serve" />
      </>
    );
  }
  if (shown.length === 0) {
    return (
      <Empty
        action={
          <button type="button" className="button" onClick={filters.clear}>
            {t('plans.clear')}
          </button>
        }
      >
        {t('plans.no_match')}
      </Empty>
    );
  }
  // What a filter hides is not chosen.
  const chosen = shown.filter((plan) => names.has(plan.name));
  return (
    <>
      <Table
        caption={t('page.plans')}
        rows={shown}
        id={(plan) => plan.name}
        columns={[
          { name: t('plan.name'), cell: (plan: Card) => <Link to={pathOf(plan.name)}>{plan.name}</Link>, sort: { by: 'name', of: (plan) => plan.name } },
          { name: t('plan.state'), cell: (plan) => <PlanPill state={plan.state} />, sort: { by: 'state', of: (plan) => URGENCY.indexOf(plan.state) } },
          { name: t('plans.sources'), cell: covers },
          { name: t('plan.next'), cell: (plan) => <Next plan={plan} />, sort: { by: 'next', of: (plan) => (plan.enabled && plan.schedule ? instant(plan.next_run) : undefined) } },
          { name: t('plan.last'), cell: (plan) => (plan.last_success ? <Time at={plan.last_success} /> : t('word.never')), sort: { by: 'last', of: (plan) => instant(plan.last_success) } },
          { name: t('plan.copies'), cell: places },
          { name: t('plan.backups'), cell: (plan) => number(plan.backups), end: true },
          { name: t('plan.size'), cell: (plan) => <span className="nowrap">{size(plan.bytes)}</span>, end: true, sort: { by: 'size', of: (plan) => plan.bytes } },
        ]}
        act={(plan) => <PlanMenu plan={plan} />}
        actName={t('word.more')}
        sorting={{ by, set: (next) => filters.set('sort', next), none: t('plans.urgent') }}
        {...(may.change && { chosen: { ids: names, choose, name: (plan: Card) => plan.name } })}
      />
      {chosen.length > 0 && <PlansChosen chosen={chosen} onDone={(left) => choose(new Set(left))} />}
    </>
  );
}

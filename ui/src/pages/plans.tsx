// Every plan in a table: how it stands, what it reads, what is next. Search and state are in the address, so that a list
// can be sent to somebody.
import { Link } from 'wouter';
import { useCards, useMay, useStart, type Card } from '../api/queries';
import { ButtonLink } from '../parts/button';
import { Copyable } from '../parts/copy';
import { TextField } from '../parts/field';
import { Menu } from '../parts/menu';
import { PlanPill } from '../parts/pill';
import { Remark } from '../parts/remark';
import { Answer, Empty } from '../parts/state';
import { Table } from '../parts/table';
import { Time } from '../parts/time';
import { toast } from '../parts/toast';
import { FilterSelect, useFilters } from '../shell/filters';
import { Page } from '../shell/page';
import { t } from '../words';
import { number, size } from '../words/format';
import { covers, Next, pathOf, places } from './plan-card';

const STATES = ['protected', 'at_risk', 'failing', 'paused', 'never_run'] as const;

export function Plans() {
  const cards = useCards();
  const filters = useFilters();
  const { of, set, clear } = filters;
  const may = useMay();
  const [text, state] = [of('q'), of('state')];
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
        <TextField label={t('plans.search')} type="search" value={text} onChange={(event) => set('q', event.target.value)} />
        <FilterSelect label={t('plans.filter')} name="state" filters={filters} words={STATES} any={t('plans.any')} say={(word) => t(`plan.state.${word}`)} />
      </div>
      <section className="card">
        <Answer of={cards} lines={8}>
          {({ plans }) => <List all={plans} text={text} state={state} clear={clear} />}
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

function List({ all, text, state, clear }: { all: Card[]; text: string; state: string; clear: () => void }) {
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
          <button type="button" className="button" onClick={clear}>
            {t('plans.clear')}
          </button>
        }
      >
        {t('plans.no_match')}
      </Empty>
    );
  }
  return (
    <Table
      caption={t('page.plans')}
      rows={shown}
      id={(plan) => plan.name}
      columns={[
        { name: t('plan.name'), cell: (plan) => <Link to={pathOf(plan.name)}>{plan.name}</Link> },
        { name: t('plan.state'), cell: (plan) => <PlanPill state={plan.state} /> },
        { name: t('plans.sources'), cell: covers },
        { name: t('plan.next'), cell: (plan) => <Next plan={plan} /> },
        { name: t('plan.last'), cell: (plan) => (plan.last_success ? <Time at={plan.last_success} /> : t('word.never')) },
        { name: t('plan.copies'), cell: places },
        { name: t('plan.backups'), cell: (plan) => number(plan.backups), end: true },
        { name: t('plan.size'), cell: (plan) => <span className="nowrap">{size(plan.bytes)}</span>, end: true },
      ]}
      act={(plan) => <RowMenu plan={plan} />}
      actName={t('word.more')}
    />
  );
}

function RowMenu({ plan }: { plan: Card }) {
  const start = useStart();
  const may = useMay();
  const failed = (error: Error) => toast(error.message, { icon: 'warning' });
  const doing = () => toast(t('run.doing.backup', { plan: plan.name }), { icon: 'play' });
  if (!may.change) return <ButtonLink to={pathOf(plan.name)} icon="more" look="plain" label={t('word.actions', { name: plan.name })} />;
  return (
    <Menu
      label={t('word.actions', { name: plan.name })}
      items={[
        { label: t('plan.open'), icon: 'shield', to: pathOf(plan.name) },
        { label: t('plan.back_up_now'), icon: 'play', act: () => start.mutate({ plan: plan.name }, { onSuccess: doing, onError: failed }) },
        ...(plan.backups > 0
          ? [
              {
                label: t('plan.test_now'),
                icon: 'check' as const,
                act: () =>
                  start.mutate(
                    { plan: plan.name, verify: 'restore' },
                    { onSuccess: () => toast(t('run.doing.verify', { plan: plan.name }), { icon: 'play' }), onError: failed },
                  ),
              },
            ]
          : []),
      ]}
    />
  );
}

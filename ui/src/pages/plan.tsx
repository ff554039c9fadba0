// One plan: how it stands and what to do about it; its backups, runs and settings behind tabs that are addresses. What
// changes its settings is the editor's, not here.
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { useCards, useDeletePlan, useMay, usePlan, useStart, type Card, type Plan } from '../api/queries';
import { ButtonLink } from '../parts/button';
import { Confirm, Proof, wantsProof } from '../parts/dialog';
import { Menu } from '../parts/menu';
import { Answer, Empty, ErrorCard, Note, Skeleton } from '../parts/state';
import { Text } from '../parts/text';
import { Time } from '../parts/time';
import { toast } from '../parts/toast';
import { Page } from '../shell/page';
import { t } from '../words';
import { number, size } from '../words/format';
import { why } from './overview';
import { BackUp, covers, Next, pathOf, places, PlanPills } from './plan-card';
import { useSwitch } from './plan-menu';
import { PlanSettings } from './plan-settings';
import { RunList } from './runs';
import { NotFound } from './not-found';
import { BackupList } from './backup-list';
import { UndoRestore } from './undo';

const TABS = ['backups', 'runs', 'settings'] as const;

export function PlanPage({ name, tab }: { name: string; tab: string }) {
  const plan = usePlan(name);
  const cards = useCards();
  const may = useMay();
  const card = cards.data?.plans.find((one) => one.name === name);
  if (!TABS.some((one) => one === tab)) return <NotFound />;
  if (plan.error && !plan.data) {
    return (
      <Page title={name}>
        <ErrorCard error={plan.error} retry={() => void plan.refetch()} />
      </Page>
    );
  }
  return (
    <Page
      title={name}
      pills={card && <PlanPills plan={card} />}
      answer={card ? <Stand card={card} /> : null}
      actions={
        card && (
          <>
            <BackUp plan={card} look="primary" />
            <UndoRestore plan={name} />
            {may.change && !card.read_only && <ButtonLink to={`${pathOf(name)}/edit`} icon="settings">{t('editor.edit')}</ButtonLink>}
            {plan.data && <More card={card} plan={plan.data} />}
          </>
        )
      }
    >
      {card ? <Facts card={card} /> : <Skeleton card lines={1} />}
      <nav className="tabs" aria-label={name}>
        {TABS.map((one) => (
          <Link key={one} to={one === 'backups' ? pathOf(name) : `${pathOf(name)}/${one}`} aria-current={one === tab ? 'page' : undefined}>
            {t(`plan.tab.${one}`)}
          </Link>
        ))}
      </nav>
      {tab === 'backups' && <Backups name={name} />}
      {tab === 'runs' && (
        <section className="card">
          <RunList plan={name} empty={t('plan.no_runs')} />
        </section>
      )}
      {tab === 'settings' && <Answer of={plan}>{(known) => <PlanSettings plan={known} card={card} />}</Answer>}
    </Page>
  );
}

/** What would be left of it without the disk, or what is wrong with it. */
function Stand({ card }: { card: Card }) {
  if (card.state === 'failing' || card.state === 'at_risk') return why(card);
  if (!card.latest) return t('plan.why.never_run');
  if (!card.off_disk_at) return t('plan.recovery.none');
  return <Text k="plan.recovery.good" values={{ destination: card.off_disk ?? '' }} parts={{ age: <Time at={card.off_disk_at} /> }} />;
}

function Facts({ card }: { card: Card }) {
  return (
    <section className="card">
      <dl className="facts">
        <dt>{t('plan.next')}</dt>
        <dd>
          <Next plan={card} />
        </dd>
        <dt>{t('plan.last')}</dt>
        <dd>{card.last_success ? <Time at={card.last_success} /> : t('word.never')}</dd>
        <dt>{t('plan.covers')}</dt>
        <dd>{covers(card)}</dd>
        <dt>{t('plan.copies')}</dt>
        <dd>{places(card)}</dd>
        <dt>{t('plan.backups')}</dt>
        <dd>
          {number(card.backups)} · {t('plan.all_copies', { size: size(card.bytes) })}
        </dd>
      </dl>
    </section>
  );
}

/** Pausing can be undone at a press; deleting asks first, and the server may want the password. */
function More({ card, plan }: { card: Card; plan: Plan }) {
  const start = useStart();
  const switching = useSwitch();
  const remove = useDeletePlan();
  const may = useMay();
  const [, go] = useLocation();
  const [asks, ask] = useState<'' | 'delete' | 'proof'>('');
  const failed = (error: Error) => toast(error.message, { icon: 'warning' });
  if (!may.change) return null;

  const verify = (level: 'integrity' | 'restore') =>
    start.mutate({ plan: plan.name, verify: level }, { onSuccess: ({ run }) => go(`/runs/${run}`), onError: failed });
  const removed = () =>
    remove.mutate(plan.name, {
      onSuccess: () => {
        toast(t('plan.deleted', { plan: plan.name }));
        go('/plans');
      },
      onError: (error) => (wantsProof(error) ? ask('proof') : failed(error)),
    });
  return (
    <>
      <Menu
        label={t('word.actions', { name: plan.name })}
        look="normal"
        items={[
          ...(card.backups > 0
            ? [
                { label: t('plan.verify_now'), icon: 'check' as const, act: () => verify('integrity') },
                { label: t('plan.test_now'), icon: 'restore' as const, act: () => verify('restore') },
              ]
            : []),
          ...switching(card),
          ...(card.read_only ? [] : [{ label: t('plan.delete'), icon: 'trash' as const, bad: true, act: () => ask('delete') }]),
          { label: t('plan.tab.settings'), icon: 'settings' as const, to: `${pathOf(plan.name)}/settings` },
        ]}
      />
      <Confirm
        open={asks === 'delete'}
        title={t('plan.delete.title', { plan: plan.name })}
        text={t('plan.delete.text')}
        submit={t('plan.delete.submit')}
        busy={remove.isPending}
        onClose={() => ask('')}
        onConfirm={removed}
      />
      <Proof open={asks === 'proof'} onClose={() => ask('')} onProven={removed} />
    </>
  );
}

function Backups({ name }: { name: string }) {
  return (
    <section className="card">
      <BackupList filter={{ plan: name }} single empty={<Empty>{t('plan.no_backups')}</Empty>} />
    </section>
  );
}

/** Kept apart from the sentence above: a plan that cannot be changed here says why. */
export function ReadOnly({ card }: { card: Card | undefined }) {
  if (!card?.read_only) return null;
  return <Note>{t(card.built_in ? 'plan.read_only.built_in' : 'plan.read_only.file')}</Note>;
}

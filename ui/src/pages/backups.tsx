// Every backup, newest first: which, why it exists and why it is kept, what is proven of it, where its copies are. The
// filters are in the address. Not here: what is done to one (backup-actions.tsx).
import { useMemo } from 'react';
import { Link, useSearchParams } from 'wouter';
import { useBackupPages, useKept, type BackupFilter, type Kept } from '../api/backups';
import { useCards, useMay, useZone, type Backup, type Card } from '../api/queries';
import { Button, ButtonLink } from '../parts/button';
import { Check, Select } from '../parts/field';
import { BackupPills } from '../parts/pill';
import { Answer, Empty, ErrorCard } from '../parts/state';
import { Table } from '../parts/table';
import { Text } from '../parts/text';
import { Time, useNow } from '../parts/time';
import { Page } from '../shell/page';
import { t } from '../words';
import { relative, size, soon } from '../words/format';
import { reason } from '../words/reasons';
import { BackupMenu } from './backup-actions';
import { backupPath } from './backup-path';
import { pathOf } from './plan-card';

const KINDS = ['scheduled', 'manual', 'pre_restore', 'pre_migration', 'upload'] as const;
const PERIODS = { d1: 1, d7: 7, d30: 30, d90: 90 } as const;
type Period = keyof typeof PERIODS;
const isPeriod = (text: string | null): text is Period => text !== null && text in PERIODS;

export function Backups() {
  const [search, setSearch] = useSearchParams();
  const cards = useCards();
  const may = useMay();
  const plan = search.get('plan') ?? '';
  const kind = KINDS.find((one) => one === search.get('kind'));
  const period = isPeriod(search.get('period')) ? (search.get('period') as Period) : undefined;
  const held = search.get('protected') === 'yes';
  // To the minute, so that drawing again does not ask again.
  const since = useMemo(() => period && new Date(Math.floor(Date.now() / 60_000) * 60_000 - PERIODS[period] * 86_400_000).toISOString(), [period]);
  const filter = { ...(plan && { plan }), ...(kind && { kind }), ...(since && { since }), ...(held && { protected: true }) };
  const set = (name: string, value: string) =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        if (value) next.set(name, value);
        else next.delete(name);
        return next;
      },
      { replace: true },
    );
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
        <Select label={t('backups.plan')} value={plan} onChange={(event) => set('plan', event.target.value)}>
          <option value="">{t('backups.any_plan')}</option>
          {names(cards.data?.plans, plan).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </Select>
        <Select label={t('backups.kind')} value={kind ?? ''} onChange={(event) => set('kind', event.target.value)}>
          <option value="">{t('backups.any_kind')}</option>
          {KINDS.map((one) => (
            <option key={one} value={one}>
              {t(`backup.kind.${one}`)}
            </option>
          ))}
        </Select>
        <Select label={t('backups.period')} value={period ?? ''} onChange={(event) => set('period', event.target.value)}>
          <option value="">{t('backups.period.any')}</option>
          {(Object.keys(PERIODS) as Period[]).map((one) => (
            <option key={one} value={one}>
              {t(`backups.period.${one}`)}
            </option>
          ))}
        </Select>
        <Check label={t('backups.only_protected')} checked={held} onChange={(event) => set('protected', event.target.checked ? 'yes' : '')} />
      </div>
      <section className="card">
        <BackupList
          filter={filter}
          empty={
            Object.keys(filter).length > 0 ? (
              <Empty action={<Button onClick={() => setSearch({}, { replace: true })}>{t('word.clear_filters')}</Button>}>{t('backups.no_match')}</Empty>
            ) : (
              <NoneYet plans={cards.data?.plans} />
            )
          }
        />
      </section>
    </Page>
  );
}

/** The plans there are, and the one that is asked for: backups outlive their plan. */
function names(plans: Card[] | undefined, asked: string): string[] {
  const known = new Set(plans?.map((one) => one.name));
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

/** Backups in pages of 50; of one plan without the column for it. */
export function BackupList({ filter, empty, single = false }: { filter: BackupFilter; empty: React.ReactNode; single?: boolean }) {
  const backups = useBackupPages(filter);
  const rows = backups.data?.pages.flatMap((page) => page.items);
  const plans = useMemo(() => [...new Set(rows?.map((row) => row.plan))].slice(0, 8), [rows]);
  const kept = useKept(plans);
  return (
    <Answer of={{ data: rows, error: backups.error, refetch: backups.refetch }} lines={8}>
      {(all) =>
        all.length === 0 ? (
          empty
        ) : (
          <>
            <Table
              caption={t('page.backups')}
              rows={all}
              id={(backup) => backup.id}
              columns={[
                {
                  name: t('backup.made'),
                  cell: (backup: Backup) => (
                    <Link to={backupPath(backup.id)}>
                      <Time at={backup.created_at} exact />
                      <span className="hidden"> {backup.plan}</span>
                    </Link>
                  ),
                },
                ...(single ? [] : [{ name: t('backups.plan'), cell: (backup: Backup) => <Link to={pathOf(backup.plan)}>{backup.plan}</Link> }]),
                { name: t('run.cause'), cell: (backup) => (backup.label ? `${t(`backup.kind.${backup.kind}`)}: ${backup.label}` : t(`backup.kind.${backup.kind}`)) },
                { name: t('backup.proof'), cell: (backup) => <BackupPills backup={backup} /> },
                ...(kept.size > 0 ? [{ name: t('backups.kept'), cell: (backup: Backup) => <Why kept={kept.get(backup.id)} /> }] : []),
                { name: t('backups.copies'), cell: (backup) => t('backups.places', { n: backup.copies.length, names: backup.copies.map((copy) => copy.destination).join(', ') }) },
                { name: t('plan.size'), cell: (backup) => <span className="nowrap">{size(backup.bytes)}</span>, end: true },
              ]}
              act={(backup) => <BackupMenu backup={backup} />}
              actName={t('word.more')}
            />
            <div className="spread">
              <p className="small quiet">
                {t('backups.shown', { n: all.length, size: size(all.flatMap((backup) => backup.copies).reduce((sum, copy) => sum + copy.bytes, 0)) })}
              </p>
              {backups.hasNextPage && (
                <Button busy={backups.isFetchingNextPage} onClick={() => void backups.fetchNextPage()}>
                  {t('word.show_older')}
                </Button>
              )}
            </div>
            {backups.isFetchNextPageError && <ErrorCard error={backups.error} />}
          </>
        )
      }
    </Answer>
  );
}

function Why({ kept }: { kept: Kept | undefined }) {
  if (!kept) return <span className="quiet">{t('backups.no_rule')}</span>;
  const reasons = kept.reasons.map(reason).join(', ');
  if (kept.keep) return <span className="small">{reasons || t('backups.no_rule')}</span>;
  return <span className="small">{t('backups.goes', { why: reasons })}</span>;
}

// A list of backups in pages of 50, of one plan or of all, in which some can be chosen and worked on together.
import { useMemo, useState } from 'react';
import { Link } from 'wouter';
import { bytesOf, useBackupPages, useKept, type BackupFilter, type Kept } from '../api/backups';
import { useMay, useZone, type Backup } from '../api/queries';
import { Button } from '../parts/button';
import { BackupPills } from '../parts/pill';
import { Answer, ErrorCard } from '../parts/state';
import { Table } from '../parts/table';
import { Time } from '../parts/time';
import { t } from '../words';
import { clock, size } from '../words/format';
import { reason } from '../words/reasons';
import { BackupMenu } from './backup-actions';
import { BackupsChosen } from './backup-chosen';
import { backupPath } from './backup-path';
import { pathOf } from './plan-card';

/** Of one plan without the column for it. */
export function BackupList({ filter, empty, single = false }: { filter: BackupFilter; empty: React.ReactNode; single?: boolean }) {
  const backups = useBackupPages(filter);
  const rows = backups.data?.pages.flatMap((page) => page.items);
  const plans = useMemo(() => [...new Set(rows?.map((row) => row.plan))].slice(0, 8), [rows]);
  const kept = useKept(plans);
  const may = useMay();
  const zone = useZone();
  const [ids, choose] = useState<ReadonlySet<string>>(new Set());
  // What a filter hides is not chosen.
  const chosen = rows?.filter((row) => ids.has(row.id)) ?? [];
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
              {...(may.change && { chosen: { ids, choose, name: (backup: Backup) => `${backup.plan}, ${clock(backup.created_at, zone)}` } })}
            />
            <div className="spread">
              <p className="small quiet">
                {t('backups.shown', { n: all.length, size: size(bytesOf(all)) })}
              </p>
              {backups.hasNextPage && (
                <Button busy={backups.isFetchingNextPage} onClick={() => void backups.fetchNextPage()}>
                  {t('word.show_older')}
                </Button>
              )}
            </div>
            {backups.isFetchNextPageError && <ErrorCard error={backups.error} />}
            {chosen.length > 0 && <BackupsChosen chosen={chosen} onDone={() => choose(new Set())} />}
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

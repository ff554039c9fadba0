// What is in one backup, part by part with tables and their rows, and where its copies are with what is proven of each.
import { Link } from 'wouter';
import type { BackupDetail } from '../api/backups';
import { useMay } from '../api/queries';
import { ButtonLink } from '../parts/button';
import { Pill } from '../parts/pill';
import { Table } from '../parts/table';
import { Time } from '../parts/time';
import { t } from '../words';
import { number, size } from '../words/format';
import { kindOf } from './backup-part';
import { filesPath, restorePath } from './backup-path';
import { TablesOf } from './backup-tables';

export function Contents({ backup }: { backup: BackupDetail }) {
  const may = useMay();
  return (
    <section className="card">
      <h2>{t('contents.title')}</h2>
      <ul className="list">
        {backup.parts.map((part) => {
          const rows = part.tables.reduce((sum, table) => sum + (table.rows ?? 0), 0);
          return (
            <li key={`${part.kind} ${part.name}`} className="stack tight">
              <div className="spread">
                <strong>
                  {part.absent ? (
                    <bdi>{part.name}</bdi>
                  ) : (
                    <Link to={filesPath(backup.id, { part: part.name })}>
                      <bdi>{part.name}</bdi>
                    </Link>
                  )}
                </strong>
                <span className="row">
                  <span className="quiet">{size(part.bytes)}</span>
                  {may.change && !part.absent && backup.parts.length > 1 && (
                    <ButtonLink to={`${restorePath(backup.id)}?only=${encodeURIComponent(part.name)}`} icon="restore">
                      {t('contents.restore_this')}
                      <span className="hidden">: {part.name}</span>
                    </ButtonLink>
                  )}
                </span>
              </div>
              <p className="small quiet">
                {kindOf(part)}
                {part.origin && (
                  <>
                    {' · '}
                    <span className="mono">
                      <bdi>{part.origin}</bdi>
                    </span>
                  </>
                )}
                {part.files != null && ` · ${t('contents.files', { n: part.files })}`}
              </p>
              {part.absent && <p className="small">{t('contents.absent')}</p>}
              {part.left_out.length > 0 && <p className="small">{t('contents.left_out', { n: part.left_out.length, names: part.left_out.join(', ') })}</p>}
              {part.tables.length > 0 && (
                <details className="fold">
                  <summary>
                    <span>{t('contents.tables', { n: part.tables.length, rows: number(rows) })}</span>
                  </summary>
                  <TablesOf part={part} backup={backup} caption={t('contents.tables', { n: part.tables.length, rows: number(rows) })} />
                </details>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

export function Copies({ backup }: { backup: BackupDetail }) {
  return (
    <section className="card">
      <h2>{t('copies.title')}</h2>
      <Table
        caption={t('copies.title')}
        rows={backup.copies}
        id={(copy) => copy.destination}
        columns={[
          { name: t('backup.where'), cell: (copy) => copy.destination },
          {
            name: t('copies.state'),
            cell: (copy) =>
              copy.damaged ? (
                <Pill look="bad" icon="cross">
                  {t('backup.damaged')}
                </Pill>
              ) : copy.verified ? (
                <Pill look="good" icon="check">
                  {t(`backup.level.${copy.verified}`)}
                </Pill>
              ) : (
                <Pill look="plain" icon="circle">
                  {t('copies.unverified')}
                </Pill>
              ),
          },
          { name: t('copies.when'), cell: (copy) => (copy.verified_at ? <Time at={copy.verified_at} exact /> : t('word.never')) },
          { name: t('plan.size'), cell: (copy) => size(copy.bytes), end: true },
        ]}
      />
    </section>
  );
}

// One backup: what is proven of it, what has changed since, and what can be done. What is in it and where its copies are:
// backup-contents.tsx.
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { downloadOf, useBackup, useBackupAct, useBefore, useDifference, type BackupDetail, type Level } from '../api/backups';
import { BASE } from '../api/client';
import { useMay, useZone } from '../api/queries';
import { Button, ButtonLink } from '../parts/button';
import { Copyable } from '../parts/copy';
import { Icon } from '../parts/icon';
import { BackupPills, Pill } from '../parts/pill';
import { Answer, ErrorCard, Note, Skeleton, titleOf } from '../parts/state';
import { Time, useNow } from '../parts/time';
import { toast } from '../parts/toast';
import { Page } from '../shell/page';
import { t } from '../words';
import { clock, duration, relative, size } from '../words/format';
import { BackupMenu } from './backup-actions';
import { Contents, Copies } from './backup-contents';
import { backupPath, filesPath, restorePath } from './backup-path';
import { DifferenceView } from './difference';
import { pathOf } from './plan-card';

export function BackupPage({ id }: { id: string }) {
  const backup = useBackup(id);
  const zone = useZone();
  const may = useMay();
  const [, go] = useLocation();
  if (backup.data === undefined) {
    return (
      <Page title={t('backup.one')}>
        {backup.error ? <ErrorCard error={backup.error} retry={() => void backup.refetch()} /> : <Skeleton card lines={3} />}
      </Page>
    );
  }
  const known = backup.data;
  return (
    <Page
      title={t('backup.title', { plan: known.plan, when: clock(known.created_at, zone) })}
      pills={<BackupPills backup={known} />}
      answer={<Sentence backup={known} />}
      actions={
        <>
          {may.change && (
            <ButtonLink to={restorePath(id)} icon="restore" look="primary">
              {t('backup.restore')}
            </ButtonLink>
          )}
          <ButtonLink to={filesPath(id)} icon="folder">
            {t('files.browse')}
          </ButtonLink>
          <a className="button" href={BASE + downloadOf(id)} download>
            <Icon name="download" />
            {t('backup.download')}
          </a>
          {may.change && <BackupMenu backup={known} here onDeleted={() => go('/backups')} />}
        </>
      }
    >
      {known.warnings.length > 0 && (
        <Note look="warning">
          <strong>{t('backup.warnings')}</strong>
          {known.warnings.map((warning) => (
            <p key={warning.text}>{warning.text}</p>
          ))}
        </Note>
      )}
      <div className="grid">
        <Ladder backup={known} />
        <Facts backup={known} />
      </div>
      <Contents backup={known} />
      <Copies backup={known} />
      <Compare backup={known} />
    </Page>
  );
}

const damagedOf = (backup: BackupDetail) => backup.copies.filter((copy) => copy.damaged);
const LEVELS: Level[] = ['checksum', 'integrity', 'restore'];
const rank = (level: Level | null | undefined) => (level ? LEVELS.indexOf(level) : -1);

/** When the highest level was last reached, by the copy that has it. */
const provenAt = (backup: BackupDetail, level: Level): string | undefined =>
  backup.copies
    .filter((copy) => !copy.damaged && rank(copy.verified) >= rank(level))
    .map((copy) => copy.verified_at ?? undefined)
    .filter((at) => at !== undefined)
    .sort()
    .at(-1);

function Sentence({ backup }: { backup: BackupDetail }) {
  const now = useNow();
  const damaged = damagedOf(backup).length;
  if (damaged > 0) return t(damaged === backup.copies.length ? 'backup.answer.all_damaged' : 'backup.answer.damaged');
  const level = backup.verified ?? 'none';
  const at = level === 'restore' ? provenAt(backup, 'restore') : undefined;
  return t(`backup.answer.${level}`, { age: at ? relative(at, now) : '' });
}

/** Three levels of proof, each including the ones before it (D4). */
function Ladder({ backup }: { backup: BackupDetail }) {
  const act = useBackupAct();
  const may = useMay();
  const now = useNow();
  const [, go] = useLocation();
  const damaged = damagedOf(backup);
  const tested = provenAt(backup, 'restore');
  const old = tested !== undefined && now - Date.parse(tested) > 14 * 86_400_000;
  const verify = (level: Level) =>
    act.mutate(
      { id: backup.id, verify: level },
      { onSuccess: ({ run }) => run && go(`/runs/${run}`), onError: (error) => toast(titleOf(error), { icon: 'warning' }) },
    );
  return (
    <section className="card">
      <h2>{t('ladder.title')}</h2>
      <ol className="rungs">
        {LEVELS.map((level) => {
          const at = provenAt(backup, level);
          const failed = damaged.length > 0 && at === undefined;
          return (
            <li key={level}>
              {at ? (
                <Pill look="good" icon="check">
                  {t('ladder.passed')}
                </Pill>
              ) : failed ? (
                <Pill look="bad" icon="cross">
                  {t('ladder.failed')}
                </Pill>
              ) : (
                <Pill look="plain" icon="circle">
                  {t('ladder.open')}
                </Pill>
              )}
              <div>
                <strong>{t(`ladder.${level}`)}</strong>
                <p className="small quiet">{t(`ladder.${level}.means`)}</p>
              </div>
              <span className="small">{at && <Time at={at} />}</span>
            </li>
          );
        })}
      </ol>
      {damaged.map((copy) => (
        <Note key={copy.destination} look="bad">
          <p>
            {copy.destination}: {copy.damaged}
          </p>
        </Note>
      ))}
      {old && tested && <Note look="warning">{t('ladder.old', { age: relative(tested, now) })}</Note>}
      {may.change && (
        <div className="buttons">
          <Button icon="check" busy={act.isPending && act.variables !== undefined && 'verify' in act.variables && act.variables.verify === 'integrity'} onClick={() => verify('integrity')}>
            {t('ladder.verify')}
          </Button>
          <Button icon="shield" busy={act.isPending && act.variables !== undefined && 'verify' in act.variables && act.variables.verify === 'restore'} onClick={() => verify('restore')}>
            {t('ladder.test')}
          </Button>
        </div>
      )}
    </section>
  );
}

function Facts({ backup }: { backup: BackupDetail }) {
  const held = backup.parts.reduce((sum, part) => sum + part.bytes, 0);
  return (
    <section className="card">
      <h2>{t('backup.facts')}</h2>
      <dl className="facts">
        <dt>{t('backup.plan')}</dt>
        <dd>
          <Link to={pathOf(backup.plan)}>{backup.plan}</Link>
        </dd>
        <dt>{t('backup.made')}</dt>
        <dd>
          <Time at={backup.created_at} exact seconds />
        </dd>
        <dt>{t('run.cause')}</dt>
        <dd>{backup.label ? `${t(`backup.kind.${backup.kind}`)}: ${backup.label}` : t(`backup.kind.${backup.kind}`)}</dd>
        <dt>{t('plan.settings.format')}</dt>
        <dd>{t(`backup.format.${backup.format}`)}</dd>
        <dt>{t('backup.size')}</dt>
        <dd>{held ? t('backup.takes', { taken: size(backup.bytes), held: size(held) }) : size(backup.bytes)}</dd>
        <dt>{t('backup.took')}</dt>
        <dd>{duration(backup.duration_ms)}</dd>
        <dt>{t('backup.made_by')}</dt>
        <dd>{backup.made_by}</dd>
        {backup.host && (
          <>
            <dt>{t('backup.host')}</dt>
            <dd>{backup.host}</dd>
          </>
        )}
        <dt>{t('backup.id')}</dt>
        <dd>
          <Copyable text={backup.id} />
        </dd>
      </dl>
    </section>
  );
}

/** What has changed since, or since the backup before; asked for by a press because it reads everything. */
function Compare({ backup }: { backup: BackupDetail }) {
  const [other, choose] = useState<'now' | 'before'>();
  const before = useBefore(backup.plan, backup.created_at);
  const previous = before.data?.id;
  // From the earlier one to this one, so that what is new here reads as new.
  const difference = useDifference(other === 'before' && previous ? previous : backup.id, other === 'now' ? 'now' : other === 'before' && previous ? backup.id : undefined);
  return (
    <section className="card">
      <h2>{t('compare.title')}</h2>
      <div className="buttons">
        <Button aria-pressed={other === 'now'} onClick={() => choose('now')}>
          {t('compare.now')}
        </Button>
        {previous ? (
          <Button aria-pressed={other === 'before'} onClick={() => choose('before')}>
            {t('compare.previous')}
          </Button>
        ) : (
          before.data === null && <span className="small quiet">{t('compare.previous.none')}</span>
        )}
        {other && (
          <Button look="plain" onClick={() => choose(undefined)}>
            {t('compare.hide')}
          </Button>
        )}
      </div>
      {other && difference.isPending && <p role="status">{t('compare.busy')}</p>}
      {other === 'before' && previous && (
        <p className="small">
          <Link to={backupPath(previous)}>{before.data && <Time at={before.data.created_at} exact />}</Link>
        </p>
      )}
      {other && <Answer of={difference}>{(known) => <DifferenceView difference={known} mode="since" />}</Answer>}
    </section>
  );
}

// What can be done to one backup, as a menu with its dialogs. How much is asked before a deletion goes by what is lost: a
// copy among others, or the last verified backup of its plan.
import { useState } from 'react';
import { useLocation } from 'wouter';
import { bytesOf, downloadOf, useBackupAct, useBackupPages } from '../api/backups';
import { useMay, useZone, type Backup } from '../api/queries';
import { Confirm, Proof, wantsProof } from '../parts/dialog';
import { Menu } from '../parts/menu';
import { titleOf } from '../parts/state';
import { toast } from '../parts/toast';
import { TypedDialog } from '../parts/typed';
import { t } from '../words';
import { clock, list, size } from '../words/format';
import { CopyTo } from './backup-copy';
import { backupPath, filesPath, restorePath } from './backup-path';

type Asks = '' | 'copy' | 'delete' | 'proof-delete' | 'proof-unprotect';

export function BackupMenu({ backup, here = false, onDeleted }: { backup: Backup; here?: boolean; onDeleted?: () => void }) {
  const act = useBackupAct();
  const may = useMay();
  const zone = useZone();
  const [, go] = useLocation();
  const [asks, ask] = useState<Asks>('');
  const when = clock(backup.created_at, zone);
  // What another program made is only read.
  const own = backup.copies.every((copy) => !copy.foreign);
  const failed = (error: Error) => toast(titleOf(error), { icon: 'warning' });

  const verify = (level: 'integrity' | 'restore') =>
    act.mutate({ id: backup.id, verify: level }, { onSuccess: ({ run }) => run && go(`/runs/${run}`), onError: failed });
  const copy = (destination: string) =>
    act.mutate(
      { id: backup.id, copy: destination },
      {
        onSuccess: ({ run }) => run && go(`/runs/${run}`),
        onError: (error) => {
          ask('');
          failed(error);
        },
      },
    );
  const protect = () =>
    act.mutate(
      { id: backup.id, protect: true },
      { onSuccess: () => toast(t('backup.protected_now'), { icon: 'lock' }), onError: failed },
    );
  const unprotect = () =>
    act.mutate(
      { id: backup.id, protect: false },
      {
        onSuccess: () => toast(t('backup.unprotected_now'), { action: { label: t('word.undo'), act: protect } }),
        onError: (error) => (wantsProof(error) ? ask('proof-unprotect') : failed(error)),
      },
    );
  const [force, setForce] = useState(false);
  const remove = (force: boolean) =>
    act.mutate(
      { id: backup.id, remove: true, force },
      {
        onSuccess: () => {
          ask('');
          toast(t('backup.deleted'), { icon: 'trash', action: { label: t('trash.title'), act: () => go('/backups/trash') } });
          onDeleted?.();
        },
        onError: (error) => {
          ask(wantsProof(error) ? 'proof-delete' : '');
          if (!wantsProof(error)) failed(error);
        },
      },
    );
  return (
    <>
      <Menu
        label={t('word.actions', { name: `${backup.plan}, ${when}` })}
        look={here ? 'normal' : 'plain'}
        items={[
          ...(here ? [] : [{ label: t('backup.open'), icon: 'eye' as const, to: backupPath(backup.id) }]),
          ...(here ? [] : [{ label: t('files.browse'), icon: 'folder' as const, to: filesPath(backup.id) }]),
          ...(may.change && !here ? [{ label: t('backup.restore'), icon: 'restore' as const, to: restorePath(backup.id) }] : []),
          ...(here ? [] : [{ label: t('backup.download'), icon: 'download' as const, href: downloadOf(backup.id) }]),
          ...(may.change
            ? [
                { label: t('backup.verify'), icon: 'check' as const, act: () => verify('integrity') },
                { label: t('backup.test'), icon: 'shield' as const, act: () => verify('restore') },
                ...(own ? [{ label: t('backup.copy'), icon: 'drive' as const, act: () => ask('copy') }] : []),
                backup.protected
                  ? { label: t('backup.unprotect'), icon: 'lock' as const, act: unprotect }
                  : { label: t('backup.protect'), icon: 'lock' as const, act: protect },
                { label: t('backup.delete'), icon: 'trash' as const, bad: true, act: () => ask('delete') },
              ]
            : []),
        ]}
      />
      {asks === 'copy' && <CopyTo backup={backup} when={when} busy={act.isPending} onClose={() => ask('')} onConfirm={copy} />}
      {asks === 'delete' && <Delete backup={backup} when={when} busy={act.isPending} onClose={() => ask('')} onConfirm={(force) => { setForce(force); remove(force); }} />}
      <Proof open={asks === 'proof-delete'} onClose={() => ask('')} onProven={() => remove(force)} />
      <Proof open={asks === 'proof-unprotect'} onClose={() => ask('')} onProven={unprotect} />
    </>
  );
}

type DeleteProps = { backup: Backup; when: string; busy: boolean; onClose: () => void; onConfirm: (force: boolean) => void };

/** Asks before a deletion; the last verified backup and a protected one want the plan's name typed. */
function Delete({ backup, when, busy, onClose, onConfirm }: DeleteProps) {
  const others = useBackupPages({ plan: backup.plan, limit: 20 }).data?.pages[0]?.items;
  const good = (one: Backup) => one.verified !== null && one.copies.some((copy) => !copy.damaged);
  // While it is not known whether there is another one, more is asked.
  const last = good(backup) && !others?.some((one) => one.id !== backup.id && good(one));
  const names = list(backup.copies.map((copy) => copy.destination));
  const title = t('backup.delete.title', { plan: backup.plan, when });
  const shared = { title, busy, submit: t('backup.delete.submit'), onConfirm: () => onConfirm(last || backup.protected) };
  const text = (
    <div className="stack">
      <p>
        {t('backup.delete.text', { n: backup.copies.length, names })} {t('backup.delete.frees', { size: size(bytesOf([backup])) })}
      </p>
      {backup.protected && <p>{t('backup.delete.protected')}</p>}
      {last && <p>{t('backup.delete.last', { plan: backup.plan })}</p>}
    </div>
  );
  if (last || backup.protected) {
    return (
      <TypedDialog {...shared} open name={backup.plan} cancel={t('backup.delete.keep')} onCancel={onClose}>
        {text}
      </TypedDialog>
    );
  }
  return <Confirm {...shared} open text={text} keep={t('backup.delete.keep')} onClose={onClose} />;
}

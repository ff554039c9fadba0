// What is done to several backups at once, from the bar below their list; one question for a deletion. More is asked
// when a protected one or the last verified one of a plan is among them.
import { useState } from 'react';
import { bytesOf, downloadOf, useBulk, useSpared, type BulkAct } from '../api/backups';
import { download } from '../api/browse';
import type { Backup } from '../api/queries';
import { ChosenBar } from '../parts/chosen';
import { Confirm, Proof, wantsProof } from '../parts/dialog';
import { titleOf } from '../parts/state';
import { toast } from '../parts/toast';
import { TypedDialog } from '../parts/typed';
import { t } from '../words';
import { list, size } from '../words/format';

export function BackupsChosen({ chosen, onDone }: { chosen: Backup[]; onDone: () => void }) {
  const bulk = useBulk();
  const [asks, ask] = useState<'' | 'delete' | 'proof'>('');
  const [left, leave] = useState<{ backups: Backup[]; force: string[] }>({ backups: [], force: [] });
  const n = chosen.length;
  const bytes = bytesOf(chosen);
  const act = (kind: BulkAct, backups: Backup[], force: string[] = []) =>
    bulk.mutate(
      { act: kind, backups, force },
      {
        onSuccess: ({ done, failed }) => {
          const rest = failed.filter(({ error }) => wantsProof(error)).map(({ backup }) => backup);
          if (done > 0) toast(t(`chosen.done.${kind}`, { n: done }), { icon: kind === 'delete' ? 'trash' : kind === 'protect' ? 'lock' : 'check' });
          leave({ backups: rest, force });
          ask(rest.length > 0 ? 'proof' : '');
          if (failed.length === 0) onDone();
        },
      },
    );
  const acts = [
    { label: t('chosen.verify'), icon: 'check' as const, act: () => act('verify', chosen) },
    { label: t('backup.protect'), icon: 'lock' as const, act: () => act('protect', chosen) },
    {
      label: t('backup.download'),
      icon: 'download' as const,
      // One after the other, as the browser's own downloads.
      act: () => chosen.forEach((backup, at) => setTimeout(() => download(downloadOf(backup.id)), at * 400)),
    },
    { label: t('backup.delete'), icon: 'trash' as const, bad: true, act: () => ask('delete') },
  ];
  const failed = bulk.data?.failed.filter(({ error }) => !wantsProof(error)) ?? [];
  return (
    <>
      <ChosenBar
        label={t('chosen.bar')}
        count={t('chosen.count', { n, size: size(bytes) })}
        acts={acts}
        busy={bulk.isPending}
        failed={failed.length > 0 && { title: t('chosen.failed', { n: failed.length }), lines: failed.map(({ error }) => titleOf(error)) }}
        onNone={onDone}
      />
      {asks === 'delete' && <Delete chosen={chosen} bytes={bytes} busy={bulk.isPending} onClose={() => ask('')} onConfirm={(force) => act('delete', chosen, force)} />}
      <Proof open={asks === 'proof'} onClose={() => ask('')} onProven={() => act('delete', left.backups, left.force)} />
    </>
  );
}

type DeleteProps = { chosen: Backup[]; bytes: number; busy: boolean; onClose: () => void; onConfirm: (force: string[]) => void };

function Delete({ chosen, bytes, busy, onClose, onConfirm }: DeleteProps) {
  const plans = [...new Set(chosen.map((backup) => backup.plan))];
  const spared = useSpared(plans, new Set(chosen.map((backup) => backup.id)));
  // Plans of which nothing proven would be left; while it is not known, it is taken to be so.
  const last = plans.filter((plan) => chosen.some((backup) => backup.plan === plan && backup.verified !== null) && !spared.get(plan));
  const held = chosen.filter((backup) => backup.protected).length;
  const n = chosen.length;
  const shared = { title: t('chosen.delete.title', { n }), submit: t('chosen.delete.submit', { n }), busy, onConfirm: () => onConfirm(last) };
  const text = (
    <div className="stack">
      <p>{t('chosen.delete.text', { size: size(bytes), plans: list(plans) })}</p>
      {held > 0 && <p>{t('chosen.delete.protected', { n: held })}</p>}
      {last.length > 0 && <p>{t('backup.delete.last', { plan: list(last) })}</p>}
    </div>
  );
  if (last.length > 0 || held > 0) {
    return (
      <TypedDialog {...shared} open name={plans.length === 1 ? (plans[0] ?? '') : t('chosen.delete.word')} cancel={t('chosen.delete.keep')} onCancel={onClose}>
        {text}
      </TypedDialog>
    );
  }
  return <Confirm {...shared} open text={text} keep={t('chosen.delete.keep')} onClose={onClose} />;
}

// Taking the last restore of a plan back: the button, the question, the password. Shown where a restore ended and on the
// plan, for as long as there is a restore to undo.
import { useState } from 'react';
import { Redirect, useLocation } from 'wouter';
import { startedFrom, useRestore, useUndoable } from '../api/restores';
import { useMay, type Run } from '../api/queries';
import { Button } from '../parts/button';
import { Proof, wantsProof } from '../parts/dialog';
import { titleOf } from '../parts/state';
import { toast } from '../parts/toast';
import { TypedDialog } from '../parts/typed';
import { t } from '../words';

/** `run` shows it only for that restore. */
export function UndoRestore({ plan, run }: { plan: string; run?: string }) {
  const undoable = useUndoable(plan);
  const restore = useRestore();
  const may = useMay();
  const [, go] = useLocation();
  const [asks, ask] = useState<'' | 'sure' | 'proof'>('');
  if (!may.change || !undoable || (run && run !== undoable.id)) return null;
  const undo = () =>
    restore.mutate(
      { undo: plan },
      {
        onSuccess: ({ run: next }) => go(`/runs/${next}`),
        onError: (error) => {
          ask(wantsProof(error) ? 'proof' : '');
          if (!wantsProof(error)) toast(titleOf(error), { icon: 'warning' });
        },
      },
    );
  return (
    <>
      <Button icon="restore" onClick={() => ask('sure')}>
        {t('undo.button')}
      </Button>
      <TypedDialog
        open={asks === 'sure'}
        title={t('undo.title', { plan })}
        name={plan}
        submit={t('undo.submit')}
        cancel={t('word.cancel')}
        busy={restore.isPending}
        onCancel={() => ask('')}
        onConfirm={undo}
      >
        <p>{t('undo.text')}</p>
        <p>
          <strong>{t('undo.question')}</strong>
        </p>
      </TypedDialog>
      <Proof open={asks === 'proof'} onClose={() => ask('')} onProven={undo} />
    </>
  );
}

/** A restore of this tab that found the data changed goes back to its preview by itself. */
export function BackToPreview({ run }: { run: Run }) {
  const to = startedFrom(run.id);
  const code = (run.error as { code?: string } | null | undefined)?.code;
  return run.kind === 'restore' && run.outcome === 'failed' && code === 'preview_stale' && to ? <Redirect to={to} replace /> : null;
}

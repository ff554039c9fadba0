// Dialogs: one that asks before something that costs effort to take back, and one that asks for the password again when
// the server wants it. Focus goes in, stays in, and comes back to where it was (Base UI).
import { Dialog as Base } from '@base-ui/react/dialog';
import { useState, type FormEvent, type ReactNode } from 'react';
import { api, body, Problem } from '../api/client';
import { t } from '../words';
import { Button } from './button';
import { Password } from './password';

type DialogProps = { open: boolean; title: string; onClose: () => void; children: ReactNode };

export function Dialog({ open, title, onClose, children }: DialogProps) {
  return (
    <Base.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Base.Portal>
        <Base.Backdrop className="shade" />
        <Base.Popup className="dialog">
          <Base.Title>{title}</Base.Title>
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

type ConfirmProps = {
  open: boolean;
  title: string;
  text: ReactNode;
  submit: string;
  keep?: string;
  busy?: boolean;
  danger?: boolean;
  onClose: () => void;
  onConfirm: () => void;
};

/** Asks once, with buttons that say what they do. */
export function Confirm({ open, title, text, submit, keep, busy = false, danger = true, onClose, onConfirm }: ConfirmProps) {
  return (
    <Dialog open={open} title={title} onClose={onClose}>
      <Base.Description render={<div />}>{text}</Base.Description>
      <div className="buttons">
        <Button onClick={onClose}>{keep ?? t('word.cancel')}</Button>
        <Button look={danger ? 'danger' : 'primary'} busy={busy} onClick={onConfirm}>
          {submit}
        </Button>
      </div>
    </Dialog>
  );
}

/** Asks for the password when the server said `proof_needed`, then `onProven` does it again. */
export function Proof({ open, onClose, onProven }: { open: boolean; onClose: () => void; onProven: () => void }) {
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<string>();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    const password = String(new FormData(event.currentTarget).get('password'));
    try {
      await body(api.POST('/api/v1/session/proof', { body: { password } }));
      setWrong(undefined);
      onClose();
      onProven();
    } catch (error) {
      const known = error instanceof Problem && error.code === 'wrong_password';
      setWrong(known ? t('proof.wrong') : (error as Error).message);
    }
    setBusy(false);
  };
  return (
    <Dialog open={open} title={t('proof.title')} onClose={onClose}>
      <p>{t('proof.text')}</p>
      <form className="form" onSubmit={(event) => void submit(event)}>
        <Password label={t('signin.password')} name="password" autoComplete="current-password" required wrong={wrong} />
        <div className="buttons">
          <Button onClick={onClose}>{t('word.cancel')}</Button>
          <Button type="submit" look="primary" busy={busy}>
            {t('proof.submit')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** Whether an error only says that the password is wanted again. */
export const wantsProof = (error: unknown): boolean => error instanceof Problem && error.code === 'proof_needed';

// Asks for a name to be typed before something that replaces or destroys: a field that compares, and a dialog around it.
import { useRef, useState, type FormEvent, type ReactNode } from 'react';
import { t } from '../words';
import { Button } from './button';
import { Dialog } from './dialog';
import { TextField, toFirstWrong } from './field';

type FormProps = {
  name: string;
  submit: string;
  cancel: string;
  busy?: boolean;
  children?: ReactNode;
  onCancel: () => void;
  onConfirm: () => void;
};

/** A form that goes on only when `name` was typed. */
export function TypedForm({ name, submit, cancel, busy = false, children, onCancel, onConfirm }: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  const [wrong, setWrong] = useState(false);
  const press = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    const fits = String(new FormData(event.currentTarget).get('typed')).trim() === name;
    setWrong(!fits);
    if (fits) onConfirm();
    else toFirstWrong(form.current);
  };
  return (
    <form className="form" ref={form} noValidate onSubmit={press}>
      {children}
      <TextField
        name="typed"
        label={t('word.type_name', { name })}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        wrong={wrong ? t('word.type_name.wrong', { name }) : undefined}
      />
      <div className="buttons">
        <Button onClick={onCancel}>{cancel}</Button>
        <Button type="submit" look="danger" busy={busy}>
          {submit}
        </Button>
      </div>
    </form>
  );
}

/** The same as a dialog. */
export function TypedDialog({ open, title, children, ...form }: FormProps & { open: boolean; title: string }) {
  return (
    <Dialog open={open} title={title} onClose={form.onCancel}>
      <TypedForm {...form}>{children}</TypedForm>
    </Dialog>
  );
}

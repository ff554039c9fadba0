// A field of a form: its name, the control, help, and what is wrong with it, tied together for those who listen. The
// control is the browser's own.
import { useId, type ComponentProps, type ReactNode } from 'react';
import { Icon } from './icon';

type Tied = { id: string; 'aria-describedby'?: string; 'aria-invalid'?: true };
type FieldProps = { label: string; help?: string; wrong?: string | undefined; children: (tied: Tied) => ReactNode };

/** Ties a label, help and an error to whatever control `children` draws. */
export function Field({ label, help, wrong, children }: FieldProps) {
  const id = useId();
  const told = [help && `${id}-help`, wrong && `${id}-wrong`].filter(Boolean).join(' ');
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, ...(told && { 'aria-describedby': told }), ...(wrong && { 'aria-invalid': true }) })}
      {help && (
        <p className="help" id={`${id}-help`}>
          {help}
        </p>
      )}
      {wrong && (
        <p className="wrong" id={`${id}-wrong`}>
          <Icon name="warning" />
          <span>{wrong}</span>
        </p>
      )}
    </div>
  );
}

type Common = { label: string; help?: string; wrong?: string | undefined };

export function TextField({ label, help, wrong, ...rest }: Common & ComponentProps<'input'>) {
  return (
    <Field label={label} {...(help && { help })} wrong={wrong}>
      {(tied) => <input {...rest} {...tied} />}
    </Field>
  );
}

export function Select({ label, help, wrong, children, ...rest }: Common & ComponentProps<'select'>) {
  return (
    <Field label={label} {...(help && { help })} wrong={wrong}>
      {(tied) => (
        <select {...rest} {...tied}>
          {children}
        </select>
      )}
    </Field>
  );
}

export function Check({ label, ...rest }: { label: ReactNode } & ComponentProps<'input'>) {
  return (
    <label className="check">
      <input type="checkbox" {...rest} />
      <span>{label}</span>
    </label>
  );
}

/** Puts the focus on the first field of a form that is wrong, once it is drawn. */
export function toFirstWrong(form: HTMLFormElement | null): void {
  const focus = () => form?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  // After an answer of the server it is drawn a frame later than after a press.
  requestAnimationFrame(() => requestAnimationFrame(focus));
}

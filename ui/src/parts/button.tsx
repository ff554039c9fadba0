// Buttons and links that look like buttons. A button that waits for the server shows so at once and cannot be pressed
// twice; it keeps the focus, so it is aria-disabled and not disabled.
import type { ComponentProps, ReactNode } from 'react';
import { Link } from 'wouter';
import { Icon, type IconName } from './icon';

type Look = 'normal' | 'primary' | 'danger' | 'plain';
type Shared = { look?: Look; icon?: IconName; children?: ReactNode };

const classes = (look: Look, bare: boolean, more = '') =>
  ['button', look === 'normal' ? '' : look, bare ? 'icon' : '', more].filter(Boolean).join(' ');

type ButtonProps = Shared & { busy?: boolean } & Omit<ComponentProps<'button'>, 'children'>;

export function Button({ look = 'normal', icon, busy = false, children, className, onClick, disabled, ...rest }: ButtonProps) {
  const off = busy || disabled;
  return (
    <button
      type="button"
      {...rest}
      className={classes(look, !children, className)}
      aria-busy={busy || undefined}
      aria-disabled={off || undefined}
      onClick={(event) => {
        if (off) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {busy ? <span className="spinner" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

type ButtonLinkProps = Shared & { to: string; label?: string };

/** A place to go to that looks like a button. `label` names it when it has only an icon. */
export function ButtonLink({ look = 'normal', icon, to, label, children }: ButtonLinkProps) {
  return (
    <Link to={to} className={classes(look, !children)} aria-label={label}>
      {icon && <Icon name={icon} />}
      {children}
    </Link>
  );
}

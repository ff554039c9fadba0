// Short notices in the corner. They repeat what the page shows as well, stay while somebody points at them or is in them,
// and may offer to undo for ten seconds.
import { useEffect, useState, useSyncExternalStore } from 'react';
import { t } from '../words';
import { Button } from './button';
import { Icon, type IconName } from './icon';

type Toast = { id: number; text: string; icon: IconName; action?: { label: string; act: () => void } };

let toasts: readonly Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();
function set(next: readonly Toast[]) {
  toasts = next;
  listeners.forEach((listener) => listener());
}

/** Shows a notice, with something to do about it or without. */
export function toast(text: string, options: { icon?: IconName; action?: Toast['action'] } = {}): void {
  last += 1;
  const { icon = 'check', action } = options;
  set([...toasts, { id: last, text, icon, ...(action && { action }) }].slice(-3));
}

function One({ toast: { id, text, icon, action } }: { toast: Toast }) {
  const [held, hold] = useState(false);
  const close = () => set(toasts.filter((one) => one.id !== id));
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(() => set(toasts.filter((one) => one.id !== id)), action ? 10_000 : 6_000);
    return () => clearTimeout(timer);
  }, [held, id, action]);
  const holding = { onPointerEnter: () => hold(true), onPointerLeave: () => hold(false), onFocus: () => hold(true), onBlur: () => hold(false) };
  return (
    <div className="toast" {...holding}>
      <Icon name={icon} />
      <p>{text}</p>
      {action ? (
        <Button
          look="plain"
          onClick={() => {
            action.act();
            close();
          }}
        >
          {action.label}
        </Button>
      ) : (
        <span />
      )}
      <Button look="plain" icon="cross" aria-label={t('word.close')} onClick={close} />
    </div>
  );
}

/** Where they appear; once on the page, always there so that they are read out. */
export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((one) => (
        <One key={one.id} toast={one} />
      ))}
    </div>
  );
}

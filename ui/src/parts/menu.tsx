// A menu behind a button: opens by a press, never by hovering; arrows, Home, End, letters, Escape and Tab work as the ARIA
// practices have it, and the focus goes back to the button. The browser's own popover puts it above everything and closes
// it when somebody presses elsewhere.
import { useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import { BASE } from '../api/client';
import { Icon, type IconName } from './icon';

type Item = { label: string; icon?: IconName; bad?: boolean; disabled?: boolean } & ({ to: string } | { act: () => void } | { href: string });
type Choice = { group: string; value: string; options: { value: string; label: string }[]; onChoose: (value: string) => void };
type Props = { label: string; icon?: IconName; text?: ReactNode; items: (Item | Choice)[]; look?: 'normal' | 'primary' | 'plain' };

const GAP = 4;

export function Menu({ label, icon = 'more', text, items, look = 'plain' }: Props) {
  const [, go] = useLocation();
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const popup = useRef<HTMLDivElement>(null);
  const id = useId();
  const all = () => [...(popup.current?.querySelectorAll<HTMLElement>('.item') ?? [])];

  const show = (last = false) => {
    popup.current?.showPopover();
    place(button.current, popup.current);
    all()
      .at(last ? -1 : 0)
      ?.focus({ preventScroll: true });
  };
  const close = () => {
    popup.current?.hidePopover();
    button.current?.focus({ preventScroll: true });
  };
  const choose = (act: () => void) => {
    close();
    act();
  };
  const press = (event: KeyboardEvent) => {
    const list = all();
    const at = list.indexOf(document.activeElement as HTMLElement);
    const to = (index: number) => list.at(index % list.length)?.focus();
    const { key } = event;
    if (key === 'ArrowDown') to(at + 1);
    else if (key === 'ArrowUp') to(at - 1);
    else if (key === 'Home') to(0);
    else if (key === 'End') to(-1);
    else if (key === 'Escape' || key === 'Tab') close();
    else if (key.length === 1 && key !== ' ') {
      const begins = (one: HTMLElement) => one.textContent?.trim().toLowerCase().startsWith(key.toLowerCase());
      [...list.slice(at + 1), ...list].find(begins)?.focus();
      return;
    } else return;
    // Tab goes on from the button by itself.
    if (key !== 'Tab') event.preventDefault();
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        className={['button', look === 'normal' ? '' : look, text ? '' : 'icon'].filter(Boolean).join(' ')}
        aria-label={text ? undefined : label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => (open ? close() : show())}
        onKeyDown={(event) => {
          if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
          event.preventDefault();
          show(event.key === 'ArrowUp');
        }}
      >
        <Icon name={icon} />
        {text}
      </button>
      <div ref={popup} id={id} className="popup" popover="auto" role="menu" aria-label={label} onKeyDown={press} onToggle={(event) => setOpen(event.newState === 'open')}>
        {items.map((item) =>
          'options' in item ? (
            <div key={item.group} role="group" aria-label={item.group}>
              <div className="group" aria-hidden="true">
                {item.group}
              </div>
              {item.options.map((option) => (
                <button
                  key={option.value}
                  type="button"
                  className="item"
                  role="menuitemradio"
                  aria-checked={option.value === item.value}
                  tabIndex={-1}
                  onClick={() => choose(() => item.onChoose(option.value))}
                >
                  <Icon name={option.value === item.value ? 'check' : 'circle'} />
                  {option.label}
                </button>
              ))}
            </div>
          ) : (
            <button
              key={item.label}
              type="button"
              className={item.bad ? 'item bad' : 'item'}
              role="menuitem"
              tabIndex={-1}
              aria-disabled={item.disabled || undefined}
              onClick={() => {
                if (!item.disabled) choose(() => ('to' in item ? go(item.to) : 'act' in item ? item.act() : window.location.assign(BASE + item.href)));
              }}
            >
              {item.icon && <Icon name={item.icon} />}
              {item.label}
            </button>
          ),
        )}
      </div>
    </>
  );
}

/** Below the button, or above it where there is more room; within the page. */
function place(button: HTMLElement | null, popup: HTMLElement | null) {
  if (!button || !popup) return;
  const [from, size] = [button.getBoundingClientRect(), popup.getBoundingClientRect()];
  const below = window.innerHeight - from.bottom;
  const up = below < size.height + 2 * GAP && from.top > below;
  const most = (up ? from.top : below) - 2 * GAP;
  popup.style.maxHeight = `${most}px`;
  popup.style.top = `${up ? from.top - Math.min(size.height, most) - GAP : from.bottom + GAP}px`;
  popup.style.left = `${Math.max(8, Math.min(from.left, window.innerWidth - size.width - 8))}px`;
}

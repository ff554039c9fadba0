// A menu behind a button: opens by a press, never by hovering; arrows, letters and Escape work (Base UI).
import { Menu as Base } from '@base-ui/react/menu';
import type { ReactNode } from 'react';
import { useLocation } from 'wouter';
import { BASE } from '../api/client';
import { Icon, type IconName } from './icon';

type Item = { label: string; icon?: IconName; bad?: boolean; disabled?: boolean } & ({ to: string } | { act: () => void } | { href: string });
type Choice = { group: string; value: string; options: { value: string; label: string }[]; onChoose: (value: string) => void };
type Props = { label: string; icon?: IconName; text?: ReactNode; items: (Item | Choice)[]; side?: 'top' | 'bottom'; plain?: boolean };

export function Menu({ label, icon = 'more', text, items, side = 'bottom', plain = true }: Props) {
  const [, go] = useLocation();
  return (
    <Base.Root modal={false}>
      <Base.Trigger className={`button ${plain ? 'plain' : ''} ${text ? '' : 'icon'}`} aria-label={text ? undefined : label}>
        <Icon name={icon} />
        {text}
      </Base.Trigger>
      <Base.Portal>
        <Base.Positioner className="float" side={side} align="end" sideOffset={4}>
          <Base.Popup className="popup" aria-label={label}>
            {items.map((item) =>
              'options' in item ? (
                <Base.RadioGroup key={item.group} value={item.value} onValueChange={(value) => item.onChoose(String(value))}>
                  <div className="group" aria-hidden="true">
                    {item.group}
                  </div>
                  {item.options.map((option) => (
                    <Base.RadioItem key={option.value} value={option.value} className="item" closeOnClick>
                      <Icon name={option.value === item.value ? 'check' : 'circle'} />
                      {option.label}
                    </Base.RadioItem>
                  ))}
                </Base.RadioGroup>
              ) : (
                <Base.Item
                  key={item.label}
                  className={item.bad ? 'item bad' : 'item'}
                  disabled={item.disabled ?? false}
                  onClick={() => {
                    if ('to' in item) go(item.to);
                    else if ('act' in item) item.act();
                    else window.location.assign(BASE + item.href);
                  }}
                >
                  {item.icon && <Icon name={item.icon} />}
                  {item.label}
                </Base.Item>
              ),
            )}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

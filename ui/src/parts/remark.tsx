// A remark that is good to know and can wait; hidden by a press until the browser is closed.
import { useState, type ReactNode } from 'react';
import { t, type Key } from '../words';
import { Button } from './button';
import { Icon } from './icon';

const kept = (id: string) => `hidden ${id}`;

export function Remark({ text, action }: { text: Key; action?: ReactNode }) {
  const [hidden, hide] = useState(() => {
    try {
      return sessionStorage.getItem(kept(text)) !== null;
    } catch {
      return false;
    }
  });
  if (hidden) return null;
  const press = () => {
    hide(true);
    try {
      sessionStorage.setItem(kept(text), 'yes');
    } catch {
      // It is hidden until the page is closed.
    }
  };
  return (
    <div className="note banner">
      <Icon name="info" />
      <div className="spread">
        <p>{t(text)}</p>
        {action}
      </div>
      <Button look="plain" icon="cross" aria-label={t('banner.dismiss')} onClick={press} />
    </div>
  );
}

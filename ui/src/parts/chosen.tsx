// The bar of what is chosen in a list: how much it is, and what can be done with all of it. It stays in sight; on a narrow
// page it is a menu. Not here: what is done.
import type { ReactNode } from 'react';
import { t } from '../words';
import { Button } from './button';
import type { IconName } from './icon';
import { Menu } from './menu';

export type ChosenAct = { label: string; icon: IconName; act: () => void; bad?: boolean };
type Props = { label: string; count: string; acts: ChosenAct[]; onNone: () => void; busy?: boolean; children?: ReactNode };

/** `children` is what is to be known before. */
export function ChosenActs({ label, count, acts, onNone, busy = false, children }: Props) {
  return (
    <div className="chosen spread" role="region" aria-label={label}>
      <div className="stack tight">
        <p role="status">
          <strong>{count}</strong>
        </p>
        {children}
      </div>
      <div className="buttons">
        {acts.map(({ label, icon, act, bad }) => (
          <Button key={label} icon={icon} busy={busy} {...(bad && { look: 'danger' as const })} onClick={act}>
            {label}
          </Button>
        ))}
        <Button look="plain" onClick={onNone}>
          {t('chosen.none')}
        </Button>
      </div>
      <Menu label={label} text={t('chosen.acts')} plain={false} items={[...acts, { label: t('chosen.none'), act: onNone }]} />
    </div>
  );
}

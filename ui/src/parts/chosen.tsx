// The bar below a table in which rows can be chosen: how many, what can be done with them, and for which of them it did not
// work. It stays in sight; buttons where there is room, else a menu. Not here: what is done (backup-chosen.tsx, …).
import type { ReactNode } from 'react';
import { t } from '../words';
import { Button } from './button';
import type { IconName } from './icon';
import { Menu } from './menu';
import { Note } from './state';

export type ChosenAct = { label: string; icon: IconName; bad?: boolean; disabled?: boolean; act: () => void };
type Props = {
  label: string;
  count: string;
  acts: ChosenAct[];
  busy?: boolean;
  /** A title and a line for each reason. */
  failed?: { title: string; lines: string[] } | false;
  onNone: () => void;
  /** What is to be known before. */
  children?: ReactNode;
};

export function ChosenBar({ label, count, acts, busy = false, failed = false, onNone, children }: Props) {
  return (
    <>
      {failed && (
        <Note look="bad" live>
          <strong>{failed.title}</strong>
          {[...new Set(failed.lines)].map((line) => (
            <p key={line}>{line}</p>
          ))}
        </Note>
      )}
      <div className="chosen spread" role="region" aria-label={label}>
        <div className="stack tight">
          <p role="status">
            <strong>{count}</strong>
          </p>
          {children}
        </div>
        <div className="buttons">
          {acts.map(({ label, icon, act, bad, disabled }) => (
            <Button key={label} icon={icon} busy={busy} disabled={disabled} {...(bad && { look: 'danger' as const })} onClick={act}>
              {label}
            </Button>
          ))}
          <Button look="plain" onClick={onNone}>
            {t('chosen.none')}
          </Button>
        </div>
        <Menu label={label} text={t('chosen.acts')} look="normal" items={[...acts, { label: t('chosen.none'), act: onNone }]} />
      </div>
    </>
  );
}

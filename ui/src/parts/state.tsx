// What a card or a page shows when there is nothing, nothing yet, or no answer: an empty sentence, a skeleton of the final
// size, an error in place with a way to try again.
import { useEffect, useState, type ReactNode } from 'react';
import { Problem } from '../api/client';
import { t } from '../words';
import { duration } from '../words/format';
import { Button } from './button';
import { Icon, type IconName } from './icon';

/** A remark in a coloured box. `live` reads it out when it appears. */
export function Note({ look = 'plain', icon, children, live = false }: { look?: 'plain' | 'good' | 'warning' | 'bad'; icon?: IconName; children: ReactNode; live?: boolean }) {
  const drawn = icon ?? (look === 'good' ? 'check' : look === 'plain' ? 'info' : 'warning');
  return (
    <div className={look === 'plain' ? 'note' : `note ${look}`} role={live ? 'alert' : undefined}>
      <Icon name={drawn} />
      <div className="stack tight">{children}</div>
    </div>
  );
}

export function Empty({ children, action }: { children: ReactNode; action?: ReactNode }) {
  return (
    <div className="empty">
      <p>{children}</p>
      {action && <div className="buttons">{action}</div>}
    </div>
  );
}

/** Grey shapes, after a moment, so that fast answers do not flash. */
export function Skeleton({ lines = 3, card = false }: { lines?: number; card?: boolean }) {
  const [shown, show] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => show(true), 150);
    return () => clearTimeout(timer);
  }, []);
  const shapes = Array.from({ length: lines }, (_, index) => <span key={index} className={card ? 'skeleton card' : 'skeleton'} />);
  return (
    <div className="stack" aria-busy="true" role="status" aria-label={t('word.loading')}>
      {shown && shapes}
    </div>
  );
}

/** The title of an error for people, whatever kind it is. */
export function titleOf(error: unknown): string {
  if (!(error instanceof Problem)) return t('error.internal');
  if (error.status === 0) return t('error.network');
  if (error.status === 429) return t('error.too_fast', { wait: duration((error.wait ?? 1) * 1000) });
  if (error.status === 403 && error.code === 'denied') return t('error.denied');
  return error.status >= 500 && error.code === 'failed' ? t('error.internal') : error.message;
}

/** What can be done about it. */
function hintOf(error: unknown): string | undefined {
  if (!(error instanceof Problem)) return t('error.page.hint');
  if (error.status === 0) return t('error.network.hint');
  return error.hint ?? (error.status >= 500 ? t('error.internal.hint') : undefined);
}

/** An error where its content would be; what else is on the page stays. */
export function ErrorCard({ error, retry }: { error: unknown; retry?: () => void }) {
  const known = error instanceof Problem ? error : undefined;
  const hint = hintOf(error);
  return (
    <div className="note bad" role="alert">
      <Icon name="warning" />
      <div className="stack tight">
        <strong>{titleOf(error)}</strong>
        {known?.detail && <p>{known.detail}</p>}
        {hint && <p>{hint}</p>}
        {known && known.status !== 0 && (
          <p className="small">
            {t('error.code', { code: known.code })}
            {known.request && <> · {t('error.request', { id: known.request })}</>}
          </p>
        )}
        {retry && (
          <div className="buttons">
            <Button onClick={retry}>{t('word.try_again')}</Button>
          </div>
        )}
      </div>
    </div>
  );
}

type Asked<Data> = { data: Data | undefined; error: unknown; refetch: () => unknown };

/** Draws the answer of a question; what was there stays while a new answer fails. */
export function Answer<Data>({ of, children, lines = 4, card = false }: { of: Asked<Data>; children: (data: Data) => ReactNode; lines?: number; card?: boolean }) {
  if (of.data !== undefined) {
    return (
      <>
        {children(of.data)}
      </>
    );
  }
  return of.error ? <ErrorCard error={of.error} retry={() => void of.refetch()} /> : <Skeleton lines={lines} card={card} />;
}

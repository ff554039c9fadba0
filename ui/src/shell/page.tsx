// The head of a page: its title (which names the browser's tab too), the sentence that answers what one came for, and its
// main buttons. Each page begins with this and has no other h1.
import { useEffect, type ReactNode } from 'react';
import { t } from '../words';

/** Names the tab. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} – ${window.location.hostname} – ${t('app.name')}`;
  }, [title]);
}

/** `answer` is null while it is not known: its line is kept free, so that nothing jumps. */
type Props = { title: string; answer?: ReactNode; pills?: ReactNode; actions?: ReactNode; children: ReactNode };

export function Page({ title, answer, pills, actions, children }: Props) {
  useTitle(title);
  return (
    <>
      <div className="head">
        <div>
          <h1>{title}</h1>
          {pills && <div className="pills">{pills}</div>}
        </div>
        {actions && <div className="buttons">{actions}</div>}
      </div>
      {answer !== undefined && <p className="answer">{answer ?? '\u00a0'}</p>}
      {children}
    </>
  );
}

// What concerns every page, the most serious first and at most two: the server is gone, a restore is under way, nobody
// is told of failures. A remark that can wait is on the page it belongs to, and stays hidden once it was hidden.
import { useRef, useState, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import { useLink } from '../api/live';
import { useOverview } from '../api/queries';
import { Button, ButtonLink } from '../parts/button';
import { Icon } from '../parts/icon';
import { t } from '../words';
import { clock } from '../words/format';

type Banner = { id: string; look: 'warning' | 'bad' | ''; text: ReactNode; action?: ReactNode; hides?: true };

function hiddenBefore(): string[] {
  try {
    return (sessionStorage.getItem('hidden') ?? '').split(' ');
  } catch {
    return [];
  }
}

function remember(ids: string[]): string[] {
  try {
    sessionStorage.setItem('hidden', ids.join(' '));
  } catch {
    // It is hidden until the page is closed.
  }
  return ids;
}

export function Banners() {
  const [at] = useLocation();
  const link = useLink();
  const overview = useOverview();
  const [hidden, hide] = useState(hiddenBefore);
  const version = useRef<string>(undefined);
  const { data } = overview;
  version.current ??= data?.version;

  const all: (Banner | false | undefined)[] = [
    link.state === 'offline' && {
      id: 'offline',
      look: 'bad',
      text: t('banner.offline', { time: clock(link.heard, data?.zone ?? 'UTC', { day: false, seconds: true }) }),
    },
    data !== undefined &&
      version.current !== data.version && {
        id: 'version',
        look: 'warning',
        text: t('banner.version'),
        action: <Button onClick={() => window.location.reload()}>{t('banner.reload')}</Button>,
      },
    ...(data?.active ?? [])
      .filter((run) => run.kind === 'restore' && run.state === 'running')
      .map((run): Banner => ({
        id: `restore-${run.id}`,
        look: 'warning',
        text: t('banner.restoring', { plan: run.plan }),
        action: <ButtonLink to={`/runs/${run.id}`}>{t('banner.watch')}</ButtonLink>,
      })),
    link.state === 'polling' && { id: 'polling', look: 'warning', text: t('banner.polling') },
    at === '/' &&
      data?.channels === 0 &&
      data.plans.some((plan) => !plan.built_in) && { id: 'channel', look: '', text: t('banner.no_channel'), hides: true },
    at.startsWith('/plans') && data?.from_file && { id: 'file', look: '', text: t('banner.from_file'), hides: true },
  ];
  const shown = all.filter((one): one is Banner => !!one && !hidden.includes(one.id)).slice(0, 2);
  return (
    <div className="stack banners" role="status">
      {shown.map((one) => (
        <div key={one.id} className={`note banner ${one.look}`}>
          <Icon name={one.look ? 'warning' : 'info'} />
          <div className="spread">
            <p>{one.text}</p>
            {one.action}
          </div>
          {one.hides && (
            <Button look="plain" icon="cross" aria-label={t('banner.dismiss')} onClick={() => hide(remember([...hidden, one.id]))} />
          )}
        </div>
      ))}
    </div>
  );
}

// What concerns every page, the most serious first and at most two: the server is gone or new, everything is
// paused, a restore is under way.
// A remark that can wait is on the page it belongs to (parts/remark.tsx).
import { useRef, type ReactNode } from 'react';
import { useLink } from '../api/live';
import { useOverview } from '../api/queries';
import { Button, ButtonLink } from '../parts/button';
import { Icon } from '../parts/icon';
import { t } from '../words';
import { clock } from '../words/format';
import { Resume, usePaused } from './pause';

type Banner = { id: string; look: 'warning' | 'bad'; text: ReactNode; action?: ReactNode };

export function Banners() {
  const link = useLink();
  const overview = useOverview();
  const held = usePaused();
  const version = useRef<string>(undefined);
  const { data } = overview;
  version.current ??= data?.version;

  const all: (Banner | false | null | '' | undefined)[] = [
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
    data &&
      held && {
        id: 'paused',
        look: 'warning',
        text: held.end ? t('banner.paused.until', { time: held.end }) : t('banner.paused', { since: clock(held.paused.since, data.zone) }),
        action: <Resume text={t('plan.resume')} />,
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
  ];
  const shown = all.filter((one): one is Banner => !!one).slice(0, 2);
  return (
    <div className="stack banners" role="status">
      {shown.map((one) => (
        <div key={one.id} className={`note banner ${one.look}`}>
          <Icon name="warning" />
          <div className="spread">
            <p>{one.text}</p>
            {one.action}
          </div>
        </div>
      ))}
    </div>
  );
}

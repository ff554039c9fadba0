// Pausing everything for a while: whether it is so, the menu that does it, and the button that ends it. On the overview, in
// the banner of every page and in the settings; for admins. Pausing one plan is plan-menu.tsx.
import { useOverview, useMay, useZone, type Overview } from '../api/queries';
import { usePause } from '../api/settings';
import { Button } from '../parts/button';
import { Menu } from '../parts/menu';
import { useNow } from '../parts/time';
import { toast } from '../parts/toast';
import { t } from '../words';
import { until } from '../words/format';

/** The pause that holds now, and when it ends as people read it; one that has ended is none. */
export function usePaused(): { paused: NonNullable<Overview['paused']>; end: string | undefined } | undefined {
  const paused = useOverview().data?.paused;
  const zone = useZone();
  const now = useNow();
  if (!paused || (paused.until && Date.parse(paused.until) <= now)) return undefined;
  return { paused, end: paused.until ? until(paused.until, now, zone) : undefined };
}

const failed = (error: Error) => toast(error.message, { icon: 'warning' });

/** Says how long; while everything is paused, until when, and the way back. */
export function PauseMenu({ text }: { text: string }) {
  const may = useMay();
  const zone = useZone();
  const held = usePaused();
  const pause = usePause();
  if (!may.admin) return null;
  const item = (label: string, end: '1h' | 'tomorrow' | null) => ({ label, icon: 'clock' as const, act: () => pause.mutate({ until: end }, { onError: failed }) });
  const resume = { label: t('danger.resume'), icon: 'play' as const, act: () => pause.mutate('resume', { onError: failed }) };
  return (
    <Menu
      label={t('danger.pause')}
      icon="pause"
      text={held ? (held.end ? t('pause.until', { time: held.end }) : t('plan.state.paused')) : text}
      look="normal"
      items={[...(held ? [resume] : []), item(t('pause.hour'), '1h'), item(t('pause.tomorrow', { zone }), 'tomorrow'), item(t('pause.open'), null)]}
    />
  );
}

/** Ends the pause. The button goes away with it, so the focus goes on to the page. */
export function Resume({ text, primary = false }: { text: string; primary?: boolean }) {
  const may = useMay();
  const pause = usePause();
  if (!may.admin) return null;
  // Not as `onSuccess`: by then the button is gone.
  const press = () =>
    void pause.mutateAsync('resume').then(() => {
      toast(t('pause.resumed'), { icon: 'play' });
      document.querySelector('main')?.focus({ preventScroll: true });
    }, failed);
  return (
    <Button icon="play" look={primary ? 'primary' : 'normal'} busy={pause.isPending} onClick={press}>
      {text}
    </Button>
  );
}

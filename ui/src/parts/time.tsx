// A point in time: relative in running text with the exact one a touch away, or exact, as it was chosen on this browser.
// Always in the server's zone. Redraws itself while it is shown.
import { useEffect, useState, useSyncExternalStore } from 'react';
import { useZone } from '../api/queries';
import { clock, relative } from '../words/format';
import { present } from '../words/now';

const listeners = new Set<() => void>();
let now = present();
let ticking: ReturnType<typeof setInterval> | undefined;

/** The present, a new one every ten seconds for everything on the page together. */
export function useNow(): number {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      ticking ??= setInterval(() => {
        now = present();
        listeners.forEach((one) => one());
      }, 10_000);
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) {
          clearInterval(ticking);
          ticking = undefined;
        }
      };
    },
    () => now,
  );
}

/** The present, each second while `on`. */
export function useSeconds(on: boolean): number {
  const [at, set] = useState(present);
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => set(present()), 1_000);
    return () => clearInterval(timer);
  }, [on]);
  return at;
}

export type Times = 'relative' | 'exact';
let kept: Times | undefined;
export function times(): Times {
  try {
    kept ??= localStorage.getItem('times') === 'exact' ? 'exact' : 'relative';
  } catch {
    kept ??= 'relative';
  }
  return kept;
}
export function chooseTimes(next: Times): void {
  kept = next;
  try {
    localStorage.setItem('times', next);
  } catch {
    // It holds until the page is closed.
  }
}

/** `exact` shows the clock time whatever was chosen, for tables and facts. */
export function Time({ at, exact = false, seconds = false }: { at: string; exact?: boolean; seconds?: boolean }) {
  const zone = useZone();
  useNow();
  const full = clock(at, zone, { seconds });
  const short = relative(at, present());
  const shows = exact || times() === 'exact' ? full : short;
  return (
    <time dateTime={at} title={shows === full ? `${short}, ${zone}` : `${full}, ${zone}`}>
      {shows}
    </time>
  );
}

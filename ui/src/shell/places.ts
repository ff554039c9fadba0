// The places that the rail, the bottom bar and the page "More" lead to. A place is listed when its page exists.
import type { IconName } from '../parts/icon';
import type { Key } from '../words';

export type Place = {
  to: string;
  name: Key;
  icon: IconName;
  /** One of the at most three that a narrow page has in its bar. */
  bar?: true;
};

export const PLACES: Place[] = [
  { to: '/', name: 'page.overview', icon: 'home', bar: true },
  { to: '/plans', name: 'page.plans', icon: 'shield', bar: true },
  { to: '/backups', name: 'page.backups', icon: 'box', bar: true },
  { to: '/runs', name: 'page.runs', icon: 'list' },
  { to: '/calendar', name: 'page.calendar', icon: 'calendar' },
  { to: '/destinations', name: 'page.destinations', icon: 'drive' },
  { to: '/activity', name: 'page.activity', icon: 'clock' },
  { to: '/settings', name: 'page.settings', icon: 'settings' },
];

/** Whether `location` is this place or below it. */
export const isAt = (location: string, to: string): boolean =>
  to === '/' ? location === '/' : location === to || location.startsWith(`${to}/`);

// English: destinations, growth, channels, the calendar.
import type { Words } from '../types';

export const places = {
  'page.destinations': 'Destinations',
  'page.calendar': 'Calendar',
  'page.activity': 'Activity',
  'page.settings': 'Settings',
  'destinations.add': 'Add a destination',
} as const satisfies Words;

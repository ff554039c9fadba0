// German: destinations, growth, channels, the calendar.
import type { places as english } from '../en/places';
import type { Translated } from '../types';

export const places: Translated<typeof english> = {
  'page.destinations': 'Ziele',
  'page.calendar': 'Kalender',
  'page.activity': 'Aktivität',
  'page.settings': 'Einstellungen',
  'destinations.add': 'Ziel hinzufügen',
};

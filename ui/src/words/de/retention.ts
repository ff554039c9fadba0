// German: why retention keeps or removes a backup.
import type { retention as english } from '../en/retention';
import type { Translated } from '../types';

export const retention: Translated<typeof english> = {
  'reason.protected': 'geschützt',
  'reason.in_use': 'in Gebrauch',
  'reason.unverified': 'nie geprüft, zählt nicht',
  'reason.future': 'aus der Zukunft datiert, zählt nicht',
  'reason.damaged_long': 'seit 7 Tagen beschädigt, und eine neuere ist gut',
  'reason.damaged': 'beschädigt: beiseitegelegt',
  'reason.within': { one: 'innerhalb von {n} Tag', other: 'innerhalb von {n} Tagen' },
  'reason.older': { one: 'älter als {n} Tag', other: 'älter als {n} Tage' },
  'reason.every': { one: 'jede vom letzten Tag', other: 'jede der letzten {n} Tage' },
  'reason.newest_of': 'neueste {at} von {n}',
  'reason.not_newest': 'nicht unter den neuesten {n}',
  'reason.replaced': 'im selben Zeitraum ({unit}) gibt es eine neuere',
  'reason.older_than': 'älter als die {n} letzten ({tier})',
  'reason.tier': '{tier} {at} von {n}',
  'reason.newest_good': 'die neueste gute',
  'reason.newest': 'die neueste',
  'reason.floor': 'nie weniger als das Mindeste',
  'reason.newest_proven': 'die neueste mit bestandener Probe',
  'reason.unit.hour': 'Stunde',
  'reason.unit.day': 'Tag',
  'reason.unit.week': 'Woche',
  'reason.unit.month': 'Monat',
  'reason.unit.year': 'Jahr',
  'reason.tier.hourly': 'stündlich',
  'reason.tier.daily': 'täglich',
  'reason.tier.weekly': 'wöchentlich',
  'reason.tier.monthly': 'monatlich',
  'reason.tier.yearly': 'jährlich',
};

// Asks where a backup is to be copied to: the destinations that have no good copy of it.
import { useState, type FormEvent } from 'react';
import { useDestinations } from '../api/plans';
import type { Backup } from '../api/queries';
import { Button } from '../parts/button';
import { Dialog } from '../parts/dialog';
import { Select } from '../parts/field';
import { Answer } from '../parts/state';
import { t } from '../words';
import { size } from '../words/format';

type Props = { backup: Backup; when: string; busy: boolean; onClose: () => void; onConfirm: (destination: string) => void };

export function CopyTo({ backup, when, busy, onClose, onConfirm }: Props) {
  const places = useDestinations();
  const good = new Set(backup.copies.filter((copy) => !copy.damaged).map((copy) => copy.destination));
  const [chosen, choose] = useState('');
  return (
    <Dialog open title={t('copy.title', { plan: backup.plan, when })} onClose={onClose}>
      <Answer of={places} lines={2}>
        {(all) => {
          const names = all.map((place) => place.name).filter((name) => !good.has(name));
          const to = names.includes(chosen) ? chosen : (names[0] ?? '');
          const submit = (event: FormEvent) => {
            event.preventDefault();
            if (!busy && to) onConfirm(to);
          };
          return (
            <form className="form" onSubmit={submit}>
              {names.length === 0 ? (
                <p>{t('copy.everywhere')}</p>
              ) : (
                <>
                  <p>{t('copy.text', { size: size(backup.bytes) })}</p>
                  <Select label={t('copy.to')} value={to} onChange={(event) => choose(event.target.value)}>
                    {names.map((name) => (
                      <option key={name}>{name}</option>
                    ))}
                  </Select>
                </>
              )}
              <div className="buttons">
                <Button onClick={onClose}>{t(names.length === 0 ? 'word.close' : 'word.cancel')}</Button>
                {names.length > 0 && (
                  <Button type="submit" look="primary" busy={busy}>
                    {t('copy.submit')}
                  </Button>
                )}
              </div>
            </form>
          );
        }}
      </Answer>
    </Dialog>
  );
}

// A dialog in which plans are chosen that are backed up now. Fetched when somebody asks for it.
import { useState } from 'react';
import { useCards } from '../api/queries';
import { Button } from '../parts/button';
import { Dialog } from '../parts/dialog';
import { Check } from '../parts/field';
import { Answer, Note, titleOf } from '../parts/state';
import { t } from '../words';

type Props = { failed: { plan: string; error: Error }[]; busy: boolean; onBackUp: (plans: string[]) => void; onClose: () => void };

export function ChoosePlans({ failed, busy, onBackUp, onClose }: Props) {
  const [names, choose] = useState<ReadonlySet<string>>(new Set(failed.map(({ plan }) => plan)));
  const cards = useCards();
  const own = cards.data?.plans.filter((plan) => !plan.built_in).map((plan) => plan.name);
  const chosen = own?.filter((name) => names.has(name)) ?? [];
  const turn = (name: string, on: boolean) => choose(new Set(on ? [...names, name] : [...names].filter((one) => one !== name)));
  const n = chosen.length;
  return (
    <Dialog open title={t('overview.back_up.title')} onClose={onClose}>
      {failed.length > 0 && (
        <Note look="bad" live>
          <strong>{t('plans.failed', { n: failed.length })}</strong>
          {failed.map(({ plan, error }) => (
            <p key={plan}>
              {plan}: {titleOf(error)}
            </p>
          ))}
        </Note>
      )}
      <Answer of={{ ...cards, data: own }}>
        {(all) => (
          <fieldset className="choices">
            <legend className="hidden">{t('page.plans')}</legend>
            {all.map((name) => (
              <Check key={name} label={name} checked={names.has(name)} onChange={(event) => turn(name, event.target.checked)} />
            ))}
          </fieldset>
        )}
      </Answer>
      <div className="buttons">
        <Button onClick={onClose}>{t('word.cancel')}</Button>
        <Button look="primary" icon="play" busy={busy} disabled={n === 0} onClick={() => onBackUp(chosen)}>
          {t('overview.back_up.submit', { n })}
        </Button>
      </div>
    </Dialog>
  );
}

// "If you lost this disk right now": the age of what would come back, from where, and how sure that is. The server knows
// which copies are on another disk and verified; this only says it.
import { useMay, type Overview } from '../api/queries';
import { ButtonLink } from '../parts/button';
import { Icon } from '../parts/icon';
import { Text } from '../parts/text';
import { Time, useNow } from '../parts/time';
import { t } from '../words';
import { duration, list } from '../words/format';

const LOOK = { nothing: '', waiting: 'warning', good: 'good', behind: 'warning', part: 'bad', lost: 'bad' } as const;

export function Recovery({ recovery, several }: { recovery: Overview['recovery']; several: boolean }) {
  const look = LOOK[recovery.state];
  const may = useMay();
  return (
    <section className={`card recovery ${look}`} aria-labelledby="recovery">
      <h2 id="recovery" className="quiet">
        {t('recovery.title')}
      </h2>
      <p className="sentence">
        <Sentence recovery={recovery} />
      </p>
      {recovery.at && recovery.state !== 'lost' && (
        <p className="row quiet">
          <Icon name="drive" />
          <span>{t(several ? 'recovery.from.oldest' : 'recovery.from', { destination: recovery.destination ?? '', plan: recovery.plan ?? '' })}</span>
          <span>{recovery.proven ? <Text k="recovery.proven" parts={{ age: <Time at={recovery.proven} /> }} /> : t('recovery.unproven')}</span>
        </p>
      )}
      {recovery.changed.length > 0 && recovery.state !== 'lost' && (
        <p className="quiet">
          <Text k={several ? 'recovery.changed.plans' : 'recovery.changed'} parts={{ plans: list(recovery.changed) }} />
        </p>
      )}
      {(recovery.state === 'lost' || recovery.state === 'part') && (
        <>
          <p className="quiet">{t('recovery.elsewhere')}</p>
          {may.admin && (
            <div className="buttons">
              <ButtonLink to="/destinations/new">{t('destinations.add')}</ButtonLink>
            </div>
          )}
        </>
      )}
    </section>
  );
}

function Sentence({ recovery }: { recovery: Overview['recovery'] }) {
  const now = useNow();
  const { state, at, lost } = recovery;
  const age = at && (
    <strong>
      <Time at={at} />
    </strong>
  );
  const plans = <strong>{list(lost)}</strong>;
  switch (state) {
    case 'good':
      return <Text k="recovery.good" parts={{ age }} />;
    case 'behind':
      return (
        <Text
          k="recovery.behind"
          parts={{ when: at && <Time at={at} exact />, age: <strong>{at && duration(Math.max(0, now - Date.parse(at)))}</strong> }}
        />
      );
    case 'part':
      return (
        <>
          <Text k={lost.length > 1 ? 'recovery.part.many' : 'recovery.part'} parts={{ plans }} />{' '}
          {at && <Text k="recovery.part.rest" parts={{ age }} />}
        </>
      );
    default:
      return t(`recovery.${state}`);
  }
}

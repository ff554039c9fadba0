// What leaves everything without protection while it holds: pausing every schedule. It can be undone at a press, here and
// from the banner that every page has meanwhile.
import { usePause, useScheduler } from '../api/settings';
import { Button } from '../parts/button';
import { Answer, ErrorCard, Note } from '../parts/state';
import { Text } from '../parts/text';
import { Time } from '../parts/time';
import { t } from '../words';

export function Danger() {
  const scheduler = useScheduler();
  const pause = usePause();
  return (
    <section className="card">
      <h2>{t('danger.pause')}</h2>
      <Answer of={scheduler}>
        {({ paused }) => (
          <>
            {paused ? (
              <Note look="warning" icon="pause" live>
                <p>
                  <Text k={paused.by ? 'danger.paused_by' : 'danger.paused'} values={{ name: paused.by ?? '' }} parts={{ age: <Time at={paused.since} exact={!paused.by} /> }} />
                </p>
              </Note>
            ) : null}
            <p>{t(paused ? 'danger.resume.text' : 'danger.pause.text')}</p>
            {pause.error && <ErrorCard error={pause.error} />}
            <div className="buttons">
              <Button look={paused ? 'primary' : 'danger'} icon={paused ? 'play' : 'pause'} busy={pause.isPending} onClick={() => pause.mutate(!paused)}>
                {t(paused ? 'danger.resume' : 'danger.pause')}
              </Button>
            </div>
          </>
        )}
      </Answer>
    </section>
  );
}

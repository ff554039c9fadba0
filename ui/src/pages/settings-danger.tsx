// What leaves everything without protection while it holds: pausing every schedule. It can be undone at a press, here and
// from the banner that every page has meanwhile.
import { Note } from '../parts/state';
import { Text } from '../parts/text';
import { Time } from '../parts/time';
import { PauseMenu, Resume, usePaused } from '../shell/pause';
import { t } from '../words';

export function Danger() {
  const held = usePaused();
  return (
    <section className="card">
      <h2>{t('danger.pause')}</h2>
      {held && (
        <Note look="warning" icon="pause" live>
          <p>
            <Text
              k={held.paused.by ? 'danger.paused_by' : 'danger.paused'}
              values={{ name: held.paused.by ?? '' }}
              parts={{ age: <Time at={held.paused.since} exact={!held.paused.by} /> }}
            />{' '}
            {held.end && t('danger.paused_until', { time: held.end })}
          </p>
        </Note>
      )}
      <p>{t(held ? 'danger.resume.text' : 'danger.pause.text')}</p>
      <div className="buttons">
        {held && <Resume text={t('danger.resume')} primary />}
        <PauseMenu text={t('danger.pause')} />
      </div>
    </section>
  );
}

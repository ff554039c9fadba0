// Adding a destination or changing one that was added here, with a test before it is kept, and the sign-in to Google Drive.
import { useLocation } from 'wouter';
import { useConnect, useConnection, useDeclare, useDeclared, useTryDestination } from '../api/places';
import { Button } from '../parts/button';
import { Copyable } from '../parts/copy';
import { Answer, Note } from '../parts/state';
import { Page } from '../shell/page';
import { t } from '../words';
import { size } from '../words/format';
import { DESTINATIONS, kindOf } from './declared-fields';
import { DeclaredForm } from './declared-form';
import { destinationPath, Steps } from './destinations';

export function NewDestination() {
  return (
    <Page title={t('destinations.add')} answer={t('destinations.add.answer')}>
      <Form />
    </Page>
  );
}

export function DestinationPage({ name }: { name: string }) {
  const declared = useDeclared('destinations', name);
  return (
    <Page title={t('editor.title', { plan: name })}>
      <Answer of={declared} card>
        {(known) => (
          <>
            {known.origin === 'file' ? <Note>{t('destinations.from_file')}</Note> : <Form key={known.version} declared={known} />}
            {kindOf(DESTINATIONS, known.document) === 'drive' && <Drive name={name} />}
          </>
        )}
      </Answer>
    </Page>
  );
}

function Form({ declared }: { declared?: import('../api/places').Declared }) {
  const test = useTryDestination();
  const save = useDeclare('destinations');
  const [, go] = useLocation();
  return (
    <DeclaredForm
      kinds={DESTINATIONS}
      kindLabel="destinations.kind"
      {...(declared && { declared })}
      typed
      tryLabel="destinations.test"
      save={save}
      test={test}
      outcome={(tried) => <Steps answer={tried} />}
      // Google wants somebody to agree before anything can be stored.
      onSaved={(kept) => go(!declared && kindOf(DESTINATIONS, kept.document) === 'drive' ? destinationPath(kept.name) : '/destinations')}
    />
  );
}

/** Signing in to Google: a page and a code to type there; this page notices when it is done. */
function Drive({ name }: { name: string }) {
  const connection = useConnection(name, true);
  const connect = useConnect(name);
  return (
    <section className="card">
      <h2>{t('drive.title')}</h2>
      <Answer of={connection}>
        {(known) => (
          <div className="stack" aria-live="polite">
            {known.state === 'signed_in' && (
              <Note look="good">
                {t('drive.signed_in', { account: known.account ?? t('word.unknown') })} {known.free != null && t('growth.free', { size: size(known.free) })}
              </Note>
            )}
            {known.state === 'signed_out' && known.error && <Note look="bad">{known.error}</Note>}
            {known.state === 'signed_out' && <p>{t('drive.signed_out')}</p>}
            {known.state === 'waiting' && (
              <>
                <p>{t('drive.waiting')}</p>
                <p>
                  <a href={known.url} target="_blank" rel="noreferrer noopener">
                    {known.url}
                  </a>
                </p>
                <Copyable text={known.code} />
              </>
            )}
            <div className="buttons">
              {known.state === 'signed_out' && (
                <Button look="primary" busy={connect.isPending} onClick={() => connect.mutate(true)}>
                  {t('drive.sign_in')}
                </Button>
              )}
              {known.state !== 'signed_out' && (
                <Button busy={connect.isPending} onClick={() => connect.mutate(false)}>
                  {t(known.state === 'waiting' ? 'drive.stop' : 'drive.sign_out')}
                </Button>
              )}
            </div>
          </div>
        )}
      </Answer>
      {connect.error && <Note look="bad">{connect.error.message}</Note>}
    </section>
  );
}

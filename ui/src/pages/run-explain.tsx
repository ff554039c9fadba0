// "Explain this run": what went wrong in plain words, what to do about it with the button that does it, and what the last
// good run was. The words come from the stable code; the server's own sentence, hint and detail stand beside them.
import { useLocation } from 'wouter';
import { useCards, useMay, useStart, type Run } from '../api/queries';
import { Button, ButtonLink } from '../parts/button';
import { Note } from '../parts/state';
import { Text } from '../parts/text';
import { Time } from '../parts/time';
import { toast } from '../parts/toast';
import { t } from '../words';
import { explain } from '../words/explain';
import { pathOf } from './plan-card';
import { failureOf, type Failure } from './run-failure';
import { resultOf, warningsOf } from './run-result';

export function Explain({ run }: { run: Run }) {
  const failure = run.outcome === 'good' ? undefined : failureOf(run);
  const warnings = warningsOf(run);
  const failed = resultOf(run).failed ?? [];
  if (!failure && warnings.length === 0 && failed.length === 0) return null;
  return (
    <section className={`card ${failure ? 'bad' : 'warning'}`} aria-labelledby="explain">
      <h2 id="explain">{failure ? t('run.explain') : t('run.warnings')}</h2>
      {failure && <Why run={run} failure={failure} />}
      {failed.map(({ destination, error }) => (
        <Note key={destination} look="warning">
          <strong>
            {destination}: {error.message}
          </strong>
          {explain(error.code) && <p>{t(explain(error.code)!.advice)}</p>}
        </Note>
      ))}
      {warnings
        .filter((warning) => !failed.some(({ error }) => error.code === warning.code))
        .map((warning) => (
          <Note key={warning.text} look="warning">
            <p>{warning.text}</p>
          </Note>
        ))}
    </section>
  );
}

/** A link would be another address below <base>. */
function ToLog() {
  const go = () => {
    const log = document.getElementById('log');
    log?.scrollIntoView({ block: 'start' });
    log?.focus({ preventScroll: true });
  };
  return (
    <button type="button" className="link" onClick={go}>
      {t('run.log_link')}
    </button>
  );
}

function Why({ run, failure }: { run: Run; failure: Failure }) {
  const known = explain(failure.code);
  const card = useCards().data?.plans.find((plan) => plan.name === run.plan);
  const start = useStart();
  const may = useMay();
  const [, go] = useLocation();
  const again = () =>
    start.mutate(
      { plan: run.plan },
      { onSuccess: ({ run: next }) => go(`/runs/${next}`), onError: (error) => toast(error.message, { icon: 'warning' }) },
    );
  return (
    <>
      <p>
        <strong>{known ? t(known.title) : failure.message}</strong>
      </p>
      {known && <p>{failure.message}</p>}
      {failure.detail && <p className="quiet small">{failure.detail}</p>}
      <h3>{t('run.what_to_do')}</h3>
      {known && <p>{t(known.advice)}</p>}
      {failure.hint && <p>{failure.hint}</p>}
      {card && (
        <p className="quiet">
          {card.last_success ? (
            <Text k="run.since.text" values={{ plan: run.plan }} parts={{ age: <Time at={card.last_success} /> }} />
          ) : (
            t('run.since.none', { plan: run.plan })
          )}
        </p>
      )}
      <div className="buttons">
        {may.change && run.kind === 'backup' && run.state === 'done' && (!known || known.help.includes('again')) && (
          <Button look="primary" icon="play" busy={start.isPending} onClick={again}>
            {t('word.try_again')}
          </Button>
        )}
        {may.change && run.kind === 'restore' && run.state === 'done' && resultOf(run).backup && (
          <ButtonLink to={`/restore/${encodeURIComponent(resultOf(run).backup ?? '')}`} look="primary">
            {t('run.restore_again')}
          </ButtonLink>
        )}
        {known?.help.includes('plan') && <ButtonLink to={`${pathOf(run.plan)}/settings`}>{t('plan.tab.settings')}</ButtonLink>}
        {known?.help.includes('backups') && <ButtonLink to={pathOf(run.plan)}>{t('plan.tab.backups')}</ButtonLink>}
      </div>
      <p className="small quiet">
        {t('error.code', { code: failure.code })} · <ToLog />
      </p>
    </>
  );
}

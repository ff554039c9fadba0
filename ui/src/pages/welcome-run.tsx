// The end of the first steps: the first backup while it is made, and the proof that it restores.
import { useCards, useRun } from '../api/queries';
import { useLive } from '../api/live';
import { ButtonLink } from '../parts/button';
import { Icon } from '../parts/icon';
import { Progress } from '../parts/progress';
import { Note } from '../parts/state';
import { Page } from '../shell/page';
import { t } from '../words';
import { percent } from '../words/pace';
import { pathOf } from './plan-card';
import { failureOf } from './run-failure';
import { phase } from './run-steps';

export function FirstRun({ plan, run: id }: { plan: string; run: string }) {
  const run = useRun(id);
  const live = useLive().get(id);
  const card = useCards().data?.plans.find((one) => one.name === plan);
  const known = run.data;
  const outcome = known?.state === 'done' || live?.event.state === 'done' ? (live?.event.outcome ?? known?.outcome ?? undefined) : undefined;
  const made = outcome === 'good' || outcome === 'warnings';
  const failure = known && failureOf(known);
  const told = live?.event.progress ?? undefined;
  const proven = made && Boolean(card?.last_proven);
  const title = proven ? t('welcome.proven') : made ? t('welcome.proving') : outcome ? t('welcome.failed') : t('welcome.running');
  return (
    <Page title={title} answer={proven ? t('welcome.proven.text', { plan }) : made ? t('welcome.proving.text') : outcome ? (failure?.message ?? '') : t('run.close')}>
      <section className="card" aria-live="polite">
        <ul className="stack">
          <Line state={made ? 'done' : outcome ? 'failed' : 'now'} text={t('welcome.line.backup')} />
          <Line state={made ? 'done' : 'later'} text={t('welcome.line.checked')} />
          <Line state={proven ? 'done' : made ? 'now' : 'later'} text={t('welcome.line.proven')} />
        </ul>
        {!outcome && (
          <>
            <p className="quiet">{told?.phase ? phase(told.phase) : t('run.preparing')}</p>
            <Progress value={percent(live)} label={t('run.progress')} />
          </>
        )}
        {made && !proven && <Progress value={undefined} label={t('run.progress')} />}
      </section>
      {outcome && !made && <Note look="bad">{t('welcome.failed.text')}</Note>}
      <div className="buttons">
        {proven && (
          <ButtonLink to="/" look="primary" icon="home">
            {t('welcome.to_overview')}
          </ButtonLink>
        )}
        <ButtonLink to={`/runs/${id}`}>{t('plan.open_run')}</ButtonLink>
        <ButtonLink to={pathOf(plan)}>{plan}</ButtonLink>
        {!proven && <ButtonLink to="/">{t('error.to_overview')}</ButtonLink>}
      </div>
    </Page>
  );
}

function Line({ state, text }: { state: 'done' | 'now' | 'later' | 'failed'; text: string }) {
  const icon = state === 'done' ? 'check' : state === 'failed' ? 'cross' : state === 'now' ? 'play' : 'circle';
  return (
    <li className={state === 'done' ? 'row good-text' : state === 'later' ? 'row quiet' : 'row'}>
      <Icon name={icon} />
      <span>
        {text} <span className="hidden">({t(`welcome.state.${state}`)})</span>
      </span>
    </li>
  );
}

// From nothing to a first backup that is proven, without reading anything: what, when and how long, where, and then it runs.
// The parts are those of the plan's editor; whoever wants more goes there.
import { useRef, useState, type FormEvent, type ReactNode } from 'react';
import { Link } from 'wouter';
import { useDestinations, useLater, useMakePlan, useScheduleNext } from '../api/plans';
import { useCards, useMay, useStart, useZone } from '../api/queries';
import { Button, ButtonLink } from '../parts/button';
import { TextField, toFirstWrong } from '../parts/field';
import { Icon } from '../parts/icon';
import { ErrorCard, Note, Skeleton } from '../parts/state';
import { useFilters } from '../shell/filters';
import { Page } from '../shell/page';
import { t } from '../words';
import { list, soon } from '../words/format';
import { documentOf, draftOf, scheduleOf, type Draft } from './plan-draft';
import { check, fieldOf, type Wrong } from './plan-editor';
import { Sources } from './plan-editor-sources';
import { Where } from './plan-editor-where';
import { FirstRun } from './welcome-run';

const WAYS = ['start', 'restore'] as const;

export function Welcome() {
  const { one, of } = useFilters();
  const may = useMay();
  const cards = useCards();
  const zone = useZone();
  const way = one('way', WAYS);
  if (!may.change) return <Page title={t('welcome.title')}><Note>{t('error.denied')}</Note></Page>;
  if (of('run')) return <FirstRun plan={of('plan')} run={of('run')} />;
  if (way === 'restore') return <Back />;
  if (way === 'start') return cards.data ? <Start zone={zone} /> : <Page title={t('welcome.title')}><Skeleton card lines={3} /></Page>;
  return (
    <Page title={t('welcome.title')} answer={t('welcome.answer')}>
      <ul className="grid">
        <Choice to="/welcome?way=start" icon="shield" title={t('welcome.start')} text={t('welcome.start.text')} />
        <Choice to="/welcome?way=restore" icon="restore" title={t('welcome.restore')} text={t('welcome.restore.text')} />
      </ul>
      <p>
        <Link to="/">{t('welcome.later')}</Link>
      </p>
    </Page>
  );
}

function Choice({ to, icon, title, text }: { to: string; icon: 'shield' | 'restore' | 'drive' | 'file'; title: string; text: string }) {
  return (
    <li>
      <Link to={to} className="card choice">
        <Icon name={icon} />
        <span>
          <strong>{title}</strong>
          <span className="quiet">{text}</span>
        </span>
      </Link>
    </li>
  );
}

/** Where a backup can come from on a machine that has nothing yet. */
function Back() {
  const plans = useCards().data?.plans.filter((plan) => !plan.built_in) ?? [];
  return (
    <Page title={t('welcome.restore')} answer={t('welcome.back.answer')}>
      <ul className="grid">
        <Choice to="/destinations/new" icon="drive" title={t('welcome.back.place')} text={t('welcome.back.place.text')} />
        <Choice
          to={plans.length > 0 ? '/restore/upload' : '/welcome?way=start'}
          icon="file"
          title={t('welcome.back.file')}
          text={t(plans.length > 0 ? 'welcome.back.file.text' : 'welcome.back.file.first')}
        />
      </ul>
      <p>
        <Link to="/welcome">{t('welcome.back')}</Link>
      </p>
    </Page>
  );
}

/** How often and for how long, ready-made. */
const RHYTHMS = {
  sensible: { every: 'daily', cron: '', preset: 'grandfather', numbers: {} },
  often: { every: 'cron', cron: '0 * * * *', preset: 'own', numbers: { hourly: '24', daily: '7', weekly: '4', monthly: '6' } },
  weekly: { every: 'weekly', cron: '', preset: 'own', numbers: { weekly: '8', monthly: '12' } },
} as const satisfies Record<string, Partial<Draft>>;
type Rhythm = keyof typeof RHYTHMS;

const STEPS = ['what', 'when', 'where'] as const;

function Start({ zone }: { zone: string }) {
  const [draft, setDraft] = useState<Draft>(() => draftOf('', undefined, zone));
  const [rhythm, setRhythm] = useState<Rhythm>('sensible');
  const [at, step] = useState(0);
  const [wrong, setWrong] = useState<Wrong>({});
  const [failure, setFailure] = useState<Error>();
  const form = useRef<HTMLFormElement>(null);
  const places = useDestinations();
  const make = useMakePlan();
  const start = useStart();
  const { set } = useFilters();
  const here = STEPS[at] ?? 'what';
  const change = (part: Partial<Draft>) => {
    setDraft((now) => ({ ...now, ...part }));
    setWrong({});
  };
  const busy = make.isPending || start.isPending;
  const go = (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    const found = check({ ...draft, name: draft.name || 'x', destinations: here === 'where' ? draft.destinations : ['x'] });
    if (here === 'where' && draft.name.trim() === '') found.name = t('editor.needed');
    setWrong(found);
    setFailure(undefined);
    if (Object.keys(found).length > 0) return toFirstWrong(form.current);
    if (here !== 'where') {
      // What the data is called is what people call it.
      if (here === 'what' && draft.name === '') change({ name: nameOf(draft.sources.find((source) => source.path.trim())?.path ?? '') });
      if (here === 'when' && draft.destinations.length === 0) change({ destinations: places.data?.map((place) => place.name) ?? [] });
      return step(at + 1);
    }
    make.mutate(
      { name: draft.name.trim(), plan: documentOf(draft, undefined) },
      {
        onSuccess: ({ name }) =>
          start.mutate({ plan: name }, { onError: setFailure, onSuccess: ({ run }) => {
            set('plan', name);
            set('run', run);
          } }),
        onError: (error) => {
          const field = fieldOf(error);
          if (!field) return setFailure(error);
          setWrong(field);
          step(field.sources ? 0 : field.cron || field.at || field.zone ? 1 : 2);
          toFirstWrong(form.current);
        },
      },
    );
  };
  return (
    <Page title={t('welcome.start')} answer={t(`welcome.${here}`)}>
      <ol className="steps" aria-label={t('welcome.steps')}>
        {STEPS.map((one, index) => (
          <li key={one} aria-current={index === at ? 'step' : undefined}>
            <span className="count">{index + 1}</span>
            {t(`welcome.step.${one}`)}
          </li>
        ))}
      </ol>
      <form ref={form} className="form" noValidate onSubmit={go}>
        {here === 'what' && <Sources draft={draft} wrong={wrong} change={change} />}
        {here === 'when' && (
          <When draft={draft} rhythm={rhythm} onChoose={(next) => {
            setRhythm(next);
            change(RHYTHMS[next]);
          }} />
        )}
        {here === 'where' && (
          <>
            <section className="card">
              <TextField label={t('editor.name')} help={t('editor.name.help')} value={draft.name} wrong={wrong.name} autoComplete="off" autoCapitalize="none" onChange={(event) => change({ name: event.target.value })} />
            </section>
            <Where draft={draft} wrong={wrong} change={change} plan={undefined} />
          </>
        )}
        {failure && <ErrorCard error={failure} />}
        <div className="buttons">
          {at > 0 ? <Button onClick={() => step(at - 1)}>{t('welcome.back')}</Button> : <ButtonLink to="/welcome">{t('welcome.back')}</ButtonLink>}
          <Button type="submit" look="primary" busy={busy}>
            {t(here === 'where' ? 'welcome.run' : 'welcome.next')}
          </Button>
          <ButtonLink to="/plans/new" look="plain">
            {t('welcome.editor')}
          </ButtonLink>
        </div>
      </form>
    </Page>
  );
}

function When({ draft, rhythm, onChoose }: { draft: Draft; rhythm: Rhythm; onChoose: (rhythm: Rhythm) => void }): ReactNode {
  const next = useScheduleNext(useLater(scheduleOf(draft), 50));
  return (
    <section className="card" aria-labelledby="rhythm">
      <h2 id="rhythm">{t('welcome.step.when')}</h2>
      <fieldset className="choices">
        <legend className="hidden">{t('welcome.step.when')}</legend>
        {(Object.keys(RHYTHMS) as Rhythm[]).map((one) => (
          <label key={one} className="check">
            <input type="radio" name="rhythm" checked={rhythm === one} onChange={() => onChoose(one)} />
            <span>
              <strong>{t(`welcome.rhythm.${one}`)}</strong> <span className="quiet">{t(`welcome.rhythm.${one}.text`)}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {next.data && (
        <p aria-live="polite">
          {t('editor.next')}: {list(next.data.next.map((instant) => soon(instant, draft.zone)))} ({draft.zone})
        </p>
      )}
    </section>
  );
}

/** A name for a plan from a path: the folder's or the file's, in letters that a plan may have. */
function nameOf(path: string): string {
  const parts = path.split('/').filter(Boolean);
  const last = parts.at(-1)?.replace(/\.(db|db3|sqlite|sqlite3)$/i, '') ?? '';
  const plain = /^(db|data|database|app)$/i.test(last) ? (parts.at(-2) ?? last) : last;
  return plain.toLowerCase().replace(/[^a-z0-9._-]+/g, '-').replace(/^[^a-z0-9]+/, '').slice(0, 64);
}

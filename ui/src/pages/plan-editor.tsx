// Making and changing a plan: one page of sections, with what each would do shown while one types. Checks what can be
// checked here; the server checks everything and its answer goes to the field that it is about.
import { useCallback, useMemo, useRef, useState, type FormEvent } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { Problem } from '../api/client';
import { useLater, useMakePlan, useRetentionDraft, useScheduleNext, type Document } from '../api/plans';
import { useCards, useChangePlan, useMay, usePlan, useStart, useZone, type Plan } from '../api/queries';
import { Button } from '../parts/button';
import { Confirm, Proof, wantsProof } from '../parts/dialog';
import { TextField, toFirstWrong } from '../parts/field';
import { ErrorCard, Note, Skeleton } from '../parts/state';
import { toast } from '../parts/toast';
import { letGo, useHold } from '../shell/guard';
import { Page } from '../shell/page';
import { t } from '../words';
import { list, size, soon } from '../words/format';
import { pathOf } from './plan-card';
import { Conflict } from './plan-conflict';
import { documentOf, draftOf, patchOf, retentionOf, scheduleOf, type Draft } from './plan-draft';
import { Keep } from './plan-editor-keep';
import { Schedule } from './plan-editor-schedule';
import { Sources } from './plan-editor-sources';
import { Format, Told, Where } from './plan-editor-where';

export function NewPlan() {
  const zone = useZone();
  const cards = useCards();
  // The zone is known with the first answer; the fields begin with it.
  return cards.data ? <Editor key="new" zone={zone} /> : <Page title={t('editor.new')}><Skeleton card lines={3} /></Page>;
}

export function EditPlan({ name }: { name: string }) {
  const plan = usePlan(name);
  const zone = useZone();
  // What was there when the editor was opened; a change by somebody else must not change the fields.
  const [taken, take] = useState<{ plan: Plan; round: number }>();
  if (!taken) {
    if (plan.data && !plan.isStale) take({ plan: plan.data, round: 0 });
    return (
      <Page title={t('editor.title', { plan: name })}>
        {plan.error ? <ErrorCard error={plan.error} retry={() => void plan.refetch()} /> : <Skeleton card lines={3} />}
      </Page>
    );
  }
  return <Editor key={taken.round} zone={zone} plan={taken.plan} onReload={(next) => take({ plan: next, round: taken.round + 1 })} />;
}

export type Wrong = Record<string, string>;
export type EditProps = { draft: Draft; wrong: Wrong; change: (part: Partial<Draft>) => void };

function Editor({ plan, zone, onReload }: { plan?: Plan; zone: string; onReload?: (plan: Plan) => void }) {
  const before = plan?.plan as Document | undefined;
  const first = useMemo(() => {
    const begun = draftOf(plan?.name ?? '', before, zone);
    return plan && !plan.enabled ? { ...begun, enabled: false } : begun;
  }, [plan, before, zone]);
  const [draft, setDraft] = useState(first);
  const [wrong, setWrong] = useState<Wrong>({});
  const [leaving, leave] = useState<{ go: () => void }>();
  const [many, setMany] = useState<{ run: boolean; count: number; bytes: number }>();
  const [conflict, setConflict] = useState<boolean>();
  const [failure, setFailure] = useState<Error>();
  const [proof, setProof] = useState<{ again: () => void }>();
  const form = useRef<HTMLFormElement>(null);
  const [search] = useSearchParams();
  const make = useMakePlan();
  const patch = useChangePlan();
  const start = useStart();
  const may = useMay();
  const [, go] = useLocation();
  const dirty = draft !== first;
  const readOnly = !may.change || (plan !== undefined && plan.origin !== 'catalog');
  useHold(dirty && !readOnly, useCallback((onward: () => void) => leave({ go: onward }), []));

  const change = (part: Partial<Draft>) => {
    setDraft((now) => ({ ...now, ...part }));
    setWrong((now) => Object.fromEntries(Object.entries(now).filter(([key]) => !(key in part) && !Object.keys(part).some((one) => key.startsWith(`${one}.`)))));
  };
  const next = useScheduleNext(useLater(draft.enabled ? scheduleOf(draft) : null, 200));
  const kept = useRetentionDraft(plan && !readOnly ? plan.name : undefined, useLater(retentionOf(draft), 120));

  const point = (found: Wrong) => {
    setWrong(found);
    toFirstWrong(form.current);
  };
  const refused = (error: Error, again: () => void) => {
    const found = fieldOf(error);
    if (wantsProof(error)) setProof({ again });
    else if (found) point(found);
    else if (error instanceof Problem && error.status === 412) setConflict(true);
    else setFailure(error);
  };
  const save = (run: boolean, over = false, sure = false) => {
    setFailure(undefined);
    const found = check(draft);
    if (Object.keys(found).length > 0) return point(found);
    const worst = kept.data?.destinations.find((one) => one.delete * 4 > one.total);
    const loosened = JSON.stringify(retentionOf(draft)) === JSON.stringify(retentionOf(first));
    if (worst && !loosened && !sure) return setMany({ run, count: worst.delete, bytes: worst.freed_bytes });
    setMany(undefined);
    const document = documentOf(draft, before);
    const onSuccess = (saved: Plan) => {
      letGo();
      toast(saved.next_run ? t('editor.saved.next', { when: soon(saved.next_run, draft.zone) }) : t('editor.saved'));
      const done = () => go(pathOf(saved.name));
      if (run) start.mutate({ plan: saved.name }, { onSuccess: ({ run: id }) => go(`/runs/${id}`), onError: done });
      else done();
    };
    const onError = (error: Error) => refused(error, () => save(run, over, true));
    if (!plan || !before) make.mutate({ name: draft.name.trim(), plan: document }, { onSuccess, onError });
    else patch.mutate({ name: plan.name, ...(!over && { version: plan.version }), patch: patchOf(before, document) }, { onSuccess, onError });
  };
  const busy = make.isPending || patch.isPending || start.isPending;
  const count = Object.keys(wrong).length;
  const title = plan ? t('editor.title', { plan: plan.name }) : t('editor.new');
  return (
    <Page title={title} answer={<Summary draft={draft} words={next.data?.words} />}>
      {readOnly && plan && <Note>{t(plan.origin === 'built_in' ? 'plan.read_only.built_in' : plan.origin === 'file' ? 'plan.read_only.file' : 'error.denied')}</Note>}
      <form
        ref={form}
        className="form"
        noValidate
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (!busy) save(false);
        }}
      >
        <fieldset className="bare form" disabled={readOnly}>
          {!plan && (
            <section className="card">
              <TextField
                label={t('editor.name')}
                help={t('editor.name.help')}
                value={draft.name}
                wrong={wrong.name}
                autoComplete="off"
                autoCapitalize="none"
                autoFocus={search.has('focus')}
                onChange={(event) => change({ name: event.target.value })}
              />
            </section>
          )}
          <Sources draft={draft} wrong={wrong} change={change} />
          <Schedule draft={draft} wrong={wrong} change={change} next={next.data} error={next.error} />
          <Keep draft={draft} wrong={wrong} change={change} answer={kept.data} error={kept.error} isNew={!plan} />
          <div className="grid">
            <Where draft={draft} wrong={wrong} change={change} plan={plan?.name} />
            <div className="form">
              <Format draft={draft} wrong={wrong} change={change} />
              <Told draft={draft} wrong={wrong} change={change} />
            </div>
          </div>
        </fieldset>
        {failure && <ErrorCard error={failure} />}
        {count > 0 && (
          <Note look="bad" live>
            {t('editor.wrong', { n: count })}
          </Note>
        )}
        {!readOnly && (
          <div className="buttons saving">
            <Button type="submit" look="primary" busy={busy}>
              {t('editor.save')}
            </Button>
            <Button icon="play" busy={busy} onClick={() => save(true)}>
              {t('editor.save_run')}
            </Button>
            <Button look="plain" onClick={() => go(plan ? pathOf(plan.name) : '/plans')}>
              {t('editor.discard')}
            </Button>
          </div>
        )}
      </form>
      <Confirm
        open={leaving !== undefined}
        title={t('editor.leave.title')}
        text={t('editor.leave.text')}
        submit={t('editor.leave.submit')}
        keep={t('editor.leave.keep')}
        onClose={() => leave(undefined)}
        onConfirm={() => {
          letGo();
          leaving?.go();
        }}
      />
      <Confirm
        open={many !== undefined}
        title={t('editor.many.title', { n: many?.count ?? 0 })}
        text={t('editor.many.text', { size: size(many?.bytes ?? 0) })}
        submit={t('editor.many.submit')}
        keep={t('editor.many.keep')}
        busy={busy}
        onClose={() => setMany(undefined)}
        onConfirm={() => save(many?.run ?? false, false, true)}
      />
      <Proof open={proof !== undefined} onClose={() => setProof(undefined)} onProven={() => proof?.again()} />
      {conflict && plan && (
        <Conflict
          name={plan.name}
          yours={documentOf(draft, before)}
          onClose={() => setConflict(false)}
          onOverwrite={() => {
            setConflict(false);
            save(false, true);
          }}
          onReload={(theirs) => onReload?.(theirs)}
        />
      )}
    </Page>
  );
}

/** The plan as a sentence. */
function Summary({ draft, words }: { draft: Draft; words: string | undefined }) {
  const counts = (['database', 'directory', 'file'] as const).map((kind) => [kind, draft.sources.filter((one) => one.kind === kind && one.path.trim()).length] as const);
  const names = { database: 'plan.covers.databases', directory: 'plan.covers.directories', file: 'plan.covers.files' } as const;
  const what = list(counts.filter(([, n]) => n > 0).map(([kind, n]) => t(names[kind], { n })));
  return t('editor.answer', {
    when: draft.enabled ? (words ?? '…') : t('editor.when.hand'),
    what: what || t('editor.what.none'),
    keeps: draft.preset === 'all' ? t('editor.keeps.all') : draft.preset === 'own' ? t('editor.keeps.some') : t(`editor.preset.${draft.preset}`),
    where: list(draft.destinations) || t('editor.where.none'),
  });
}

/** What can be told without the server. */
export function check(draft: Draft): Wrong {
  const wrong: Wrong = {};
  if (draft.name.trim() === '') wrong.name = t('editor.needed');
  if (!draft.sources.some((source) => source.path.trim()) && draft.environment.trim() === '') wrong.sources = t('editor.no_sources');
  if (draft.enabled && draft.every === 'cron' && draft.cron.trim() === '') wrong.cron = t('editor.needed');
  if (draft.destinations.length === 0) wrong.destinations = t('editor.no_destination');
  return wrong;
}

const FIELDS: [RegExp, string][] = [
  [/^retention\.(\w+)/, 'numbers.$1'],
  [/^schedule\.every/, 'cron'],
  [/^schedule\.(\w+)/, '$1'],
  [/^(databases|directories|files|settings)/, 'sources'],
  [/^destinations/, 'destinations'],
  [/^notify/, 'notify'],
  [/^format/, 'format'],
  [/^test_restore/, 'test_restore'],
];

/** The field that a refusal of the server is about, with its sentence. */
export function fieldOf(error: Error): Wrong | undefined {
  if (!(error instanceof Problem) || error.status !== 422) return undefined;
  const more = (sentence: string) => (error.hint ? `${sentence} – ${error.hint}` : sentence);
  if (error.code === 'bad_plan_name' || error.code === 'plan_exists') return { name: more(error.message) };
  if (error.code === 'bad_time') return { at: error.message };
  if (error.code === 'bad_zone') return { zone: more(error.message) };
  // `plan.shop.retention.days: days must be …`, or the place in the detail.
  const found = /^plan\.(?:"[^"]*"|[^.:]+)\.?([^:]*): (.*)$/s.exec(error.message);
  const place = found?.[1] ?? error.detail ?? '';
  const field = FIELDS.find(([pattern]) => pattern.test(place));
  if (!field) return undefined;
  return { [place.replace(field[0], field[1]).replace(/[^\w.].*$/, '')]: more(found?.[2] ?? error.message) };
}

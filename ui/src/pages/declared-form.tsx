// The fields of a destination or a channel by its kind, drawn from their table, tried and kept; refusals of the server go to
// the field that they are about.
import { useRef, useState, type FormEvent, type ReactNode } from 'react';
import { Problem } from '../api/client';
import type { Declared, useDeclare } from '../api/places';
import type { Document } from '../api/plans';
import { Button } from '../parts/button';
import { Check, Field, Select, TextField, toFirstWrong } from '../parts/field';
import { Password } from '../parts/password';
import { ErrorCard } from '../parts/state';
import { toast } from '../parts/toast';
import { t, type Key } from '../words';
import { documentOf, EVENTS, kindOf, SET, valuesOf, type FieldSpec, type KindSpec, type Values } from './declared-fields';

type Given = { name: string; document: Document };
type Props<Tried> = {
  kinds: KindSpec[];
  kindLabel: Key;
  /** What is changed; nothing when one is added. */
  declared?: Declared;
  /** Destinations name their kind in the document. */
  typed: boolean;
  tryLabel: Key;
  save: ReturnType<typeof useDeclare>;
  test: { data: Tried | undefined; error: Error | null; isPending: boolean; reset: () => void; mutate: (given: Given) => void };
  /** What a test found. */
  outcome: (tried: Tried) => ReactNode;
  onSaved: (kept: Declared) => void;
};

export function DeclaredForm<Tried>({ kinds, kindLabel, declared, typed, tryLabel, save, test, outcome, onSaved }: Props<Tried>) {
  const before = declared?.document as Document | undefined;
  const [kind, setKind] = useState(before ? kindOf(kinds, before) : (kinds[0]?.kind ?? ''));
  const spec = kinds.find((one) => one.kind === kind);
  const [name, setName] = useState(declared?.name ?? '');
  const [values, setValues] = useState<Values>(() => (spec && before ? valuesOf(spec, before) : {}));
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const form = useRef<HTMLFormElement>(null);
  if (!spec) return null;

  const given = (): Given | undefined => {
    const found: Record<string, string> = {};
    if (name.trim() === '') found.name = t('editor.needed');
    for (const field of spec.fields) {
      const there = values[field.key] || (field.kind === 'secret' && (before?.[field.key] === SET || before?.[`${field.key}_file`] !== undefined));
      if (field.needed && !there) found[field.key] = t('editor.needed');
    }
    setWrong(found);
    if (Object.keys(found).length > 0) {
      toFirstWrong(form.current);
      return undefined;
    }
    return { name: name.trim(), document: documentOf(spec, values, before, typed) };
  };
  const onTry = (ready: Given) => {
    save.reset();
    test.mutate(ready);
  };
  const onSave = (ready: Given) => {
    test.reset();
    const onSuccess = (kept: Declared) => {
      toast(t('destinations.saved', { name: ready.name }));
      onSaved(kept);
    };
    save.mutate({ ...ready, ...(declared?.version != null && { version: declared.version }) }, { onSuccess });
  };
  const error = save.error ?? test.error;
  const told = error instanceof Problem && error.status === 422 ? /^\w+\.(?:"[^"]*"|[^.:]+)\.(\w+): (.*)$/s.exec(error.message) : null;
  const said = (key: string) => wrong[key] ?? (told?.[1] === key ? (error instanceof Problem && error.hint ? `${told[2]} – ${error.hint}` : told[2]) : undefined);
  const placed = told !== null && spec.fields.some((field) => field.key === told[1]);
  const set = (key: string, value: Values[string]) => {
    setValues((now) => ({ ...now, [key]: value }));
    setWrong((now) => Object.fromEntries(Object.entries(now).filter(([one]) => one !== key)));
  };
  return (
    <form
      className="form card"
      ref={form}
      noValidate
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        const ready = save.isPending ? undefined : given();
        if (ready) onSave(ready);
      }}
    >
      {!declared && (
        <>
          <Select label={t(kindLabel)} value={kind} onChange={(event) => setKind(event.target.value)}>
            {kinds.map((one) => (
              <option key={one.kind} value={one.kind}>
                {t(one.label)}
              </option>
            ))}
          </Select>
          <TextField label={t('editor.name')} value={name} autoComplete="off" autoCapitalize="none" spellCheck={false} wrong={wrong.name} onChange={(event) => setName(event.target.value)} />
        </>
      )}
      {spec.fields.map((field) => (
        <One key={`${kind} ${field.key}`} field={field} value={values[field.key]} kept={before?.[field.key] === SET} wrong={said(field.key)} onChange={(value) => set(field.key, value)} />
      ))}
      {error && !placed && <ErrorCard error={error} />}
      {test.data !== undefined && outcome(test.data)}
      <div className="buttons">
        <Button
          busy={test.isPending}
          onClick={() => {
            const ready = given();
            if (ready) onTry(ready);
          }}
        >
          {t(tryLabel)}
        </Button>
        <Button type="submit" look="primary" busy={save.isPending}>
          {t('editor.save')}
        </Button>
      </div>
    </form>
  );
}

type OneProps = { field: FieldSpec; value: Values[string] | undefined; kept: boolean; wrong: string | undefined; onChange: (value: Values[string]) => void };

function One({ field, value, kept, wrong, onChange }: OneProps) {
  const shared = { label: t(field.label), wrong, ...(field.help && { help: t(field.help) }) };
  const text = typeof value === 'string' ? value : '';
  switch (field.kind) {
    case 'check':
      return <Check label={shared.label} checked={value === true} onChange={(event) => onChange(event.target.checked)} />;
    case 'secret':
      return (
        <Password
          {...shared}
          {...(kept && { help: t('field.secret.kept') })}
          autoComplete="new-password"
          value={text}
          onChange={(event) => onChange(event.target.value)}
        />
      );
    case 'lines':
      return <Field {...shared}>{(tied) => <textarea {...tied} rows={2} value={text} placeholder={field.example} onChange={(event) => onChange(event.target.value)} />}</Field>;
    case 'events': {
      const chosen = Array.isArray(value) ? value : [];
      return (
        <fieldset className="choices">
          <legend>{shared.label}</legend>
          <p className="small quiet">{t('field.on.help')}</p>
          <div className="numbers top">
            {EVENTS.map((event) => (
              <Check
                key={event}
                label={t(`channels.event.${event}`)}
                checked={chosen.includes(event)}
                onChange={(change) => onChange(change.target.checked ? [...chosen, event] : chosen.filter((one) => one !== event))}
              />
            ))}
          </div>
        </fieldset>
      );
    }
    default:
      return (
        <TextField
          {...shared}
          {...(field.kind === 'number' && { inputMode: 'numeric' as const })}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          placeholder={field.example}
          value={text}
          onChange={(event) => onChange(event.target.value)}
        />
      );
  }
}

// What a plan reads: databases, folders and files by path, and names of environment variables.
import { Button } from '../parts/button';
import { Check, Field, TextField } from '../parts/field';
import { Note } from '../parts/state';
import { t } from '../words';
import { newSource, SOURCES, type Source } from './plan-draft';
import type { EditProps } from './plan-editor';

export function Sources({ draft, wrong, change }: EditProps) {
  const set = (key: number, part: Partial<Source>) => change({ sources: draft.sources.map((one) => (one.key === key ? { ...one, ...part } : one)) });
  return (
    <section className="card" aria-labelledby="what">
      <h2 id="what">{t('editor.what')}</h2>
      {wrong.sources && (
        <div aria-invalid="true" tabIndex={-1}>
          <Note look="bad">{wrong.sources}</Note>
        </div>
      )}
      <ul className="list">
        {draft.sources.map((source) => {
          const kind = t(`editor.source.${source.kind}`);
          return (
            <li key={source.key} className="stack">
              <div className="source">
                <TextField
                  label={t('editor.path', { kind })}
                  {...(source.path === '' && source.kind === 'database' && { help: t('editor.path.help') })}
                  value={source.path}
                  autoComplete="off"
                  autoCapitalize="none"
                  spellCheck={false}
                  className="mono"
                  onChange={(event) => set(source.key, { path: event.target.value })}
                />
                <Check label={t('editor.optional')} checked={source.optional} onChange={(event) => set(source.key, { optional: event.target.checked })} />
                <Button
                  icon="trash"
                  aria-label={t('editor.remove', { name: source.path || kind })}
                  onClick={() => change({ sources: draft.sources.filter((one) => one.key !== source.key) })}
                />
              </div>
              {source.kind === 'directory' && (
                <details className="fold" open={source.exclude !== ''}>
                  <summary>
                    <span>{t('editor.exclude')}</span>
                  </summary>
                  <div>
                    <Field label={t('editor.exclude')}>
                      {(tied) => <textarea {...tied} rows={3} className="mono" value={source.exclude} onChange={(event) => set(source.key, { exclude: event.target.value })} />}
                    </Field>
                  </div>
                </details>
              )}
            </li>
          );
        })}
      </ul>
      <div className="buttons">
        {SOURCES.map((kind) => (
          <Button key={kind} icon="plus" onClick={() => change({ sources: [...draft.sources, newSource(kind)] })}>
            {t(`editor.add.${kind}`)}
          </Button>
        ))}
      </div>
      <details className="fold" open={draft.environment !== ''}>
        <summary>
          <span>{t('plan.covers.settings')}</span>
        </summary>
        <div>
          <Field label={t('editor.environment')} help={t('editor.environment.help')}>
            {(tied) => <textarea {...tied} rows={3} className="mono" value={draft.environment} onChange={(event) => change({ environment: event.target.value })} />}
          </Field>
        </div>
      </details>
    </section>
  );
}

// What a plan reads: databases, folders and files by path, and names of environment variables.
import { useLater, useLook } from '../api/plans';
import { useMay } from '../api/queries';
import { Button } from '../parts/button';
import { Check, Field, TextField } from '../parts/field';
import { Icon } from '../parts/icon';
import { Note, titleOf } from '../parts/state';
import { t } from '../words';
import { size } from '../words/format';
import { Found } from './plan-editor-found';
import { newSource, SOURCES, type Kind, type Source } from './plan-draft';
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
      {draft.sources.every((source) => source.path === '') && (
        <Found
          onAdd={(paths) => change({ sources: [...draft.sources.filter((source) => source.kind !== 'database'), ...paths.map((path) => ({ ...newSource('database'), path }))] })}
        />
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
              <Sight
                source={source}
                onChange={(part) => set(source.key, part)}
                onAdd={(paths) => {
                  // A folder where a database was meant gives way to the databases in it.
                  const others = source.kind === 'database' ? draft.sources.filter((one) => one !== source) : draft.sources;
                  const added = paths.filter((path) => !others.some((one) => one.path === path)).map((path) => ({ ...newSource('database'), path }));
                  change({ sources: [...others, ...added] });
                }}
              />
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

const KINDS = { database: 'database', directory: 'directory', file: 'file' } as const satisfies Record<string, Kind>;

/** What the server sees at a path, and a way to what was probably meant. */
function Sight({ source, onChange, onAdd }: { source: Source; onChange: (part: Partial<Source>) => void; onAdd: (paths: string[]) => void }) {
  const may = useMay();
  const path = useLater(source.path.trim(), 400);
  const look = useLook(may.change ? path : '');
  if (path === '' || path !== source.path.trim()) return null;
  if (look.error) return <Said bad text={titleOf(look.error)} />;
  if (!look.data) return null;
  const { kind, bytes, tables, why, databases } = look.data;
  if (kind === 'missing') return <Said bad={!source.optional} text={t('look.missing', { path: look.data.path })} />;
  if (kind === 'unreadable') return <Said bad text={t('look.unreadable', { why: why ?? '' })} />;
  const found = kind === 'database' ? t('look.database', { n: tables ?? 0, size: size(bytes) }) : kind === 'directory' ? t('look.directory', { n: databases.length }) : t('look.file', { size: size(bytes) });
  const other = KINDS[kind];
  return (
    <div className="row">
      <Said text={found} />
      {other !== source.kind && !(kind === 'database' && source.kind === 'file') && <Button onClick={() => onChange({ kind: other })}>{t('look.take_as', { kind: t(`editor.source.${other}`) })}</Button>}
      {databases.length > 0 && <Button onClick={() => onAdd(databases.map((one) => one.path))}>{t('look.add_found', { n: databases.length })}</Button>}
    </div>
  );
}

function Said({ text, bad = false }: { text: string; bad?: boolean }) {
  return (
    <p className={bad ? 'wrong' : 'row small quiet'} role="status">
      <Icon name={bad ? 'warning' : 'check'} />
      <span>{text}</span>
    </p>
  );
}

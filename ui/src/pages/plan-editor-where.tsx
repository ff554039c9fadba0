// Where copies go, in which shape, and who is told.
import { Link } from 'wouter';
import { useChannels, useDestinations } from '../api/plans';
import { useCards, useMay } from '../api/queries';
import { Check, Select, TextField } from '../parts/field';
import { Note } from '../parts/state';
import { t } from '../words';
import type { EditProps } from './plan-editor';

const FORMATS = ['archive', 'database', 'both', 'json', 'csv'] as const;

export function Where({ draft, wrong, change, plan }: EditProps & { plan: string | undefined }) {
  const known = useDestinations().data?.map((one) => one.name) ?? [];
  const cards = useCards().data?.plans ?? [];
  const card = cards.find((one) => one.name === plan);
  const may = useMay();
  // Folders that the document names stay choices.
  const names = [...new Set([...known, ...draft.destinations])];
  const same = new Set(card?.destinations.filter((one) => one.same_disk).map((one) => one.name));
  const set = (name: string, on: boolean) => change({ destinations: on ? [...draft.destinations, name] : draft.destinations.filter((one) => one !== name) });
  return (
    <section className="card" aria-labelledby="where">
      <h2 id="where">{t('editor.where')}</h2>
      <fieldset className="choices" aria-describedby="where-help">
        <legend className="hidden">{t('editor.where')}</legend>
        {names.map((name, index) => (
          <Check
            key={name}
            label={
              <>
                {name} {same.has(name) && <span className="quiet small">{t('editor.where.same_disk')}</span>}
              </>
            }
            checked={draft.destinations.includes(name)}
            aria-invalid={(index === 0 && wrong.destinations !== undefined) || undefined}
            onChange={(event) => set(name, event.target.checked)}
          />
        ))}
      </fieldset>
      <p className="small quiet" id="where-help">
        {t('editor.where.help')}
      </p>
      {wrong.destinations && <Note look="bad">{wrong.destinations}</Note>}
      {card && draft.destinations.length > 0 && draft.destinations.every((name) => same.has(name)) && <Note look="warning">{t('editor.where.here_only')}</Note>}
      {may.admin && (
        <p>
          <Link to="/destinations/new">{t('destinations.add')}</Link>
        </p>
      )}
    </section>
  );
}

export function Format({ draft, wrong, change }: EditProps) {
  return (
    <section className="card" aria-labelledby="format">
      <h2 id="format">{t('editor.format')}</h2>
      <Select label={t('editor.format')} value={draft.format} wrong={wrong.format} onChange={(event) => change({ format: event.target.value })}>
        {FORMATS.map((format) => (
          <option key={format} value={format}>
            {t(`editor.format.${format}`)}
          </option>
        ))}
      </Select>
      <TextField
        label={t('editor.test_restore')}
        help={t('editor.test_restore.help')}
        value={draft.test_restore}
        wrong={wrong.test_restore}
        autoComplete="off"
        onChange={(event) => change({ test_restore: event.target.value })}
      />
    </section>
  );
}

export function Told({ draft, wrong, change }: EditProps) {
  const channels = useChannels().data?.map((one) => one.name) ?? [];
  const names = [...new Set([...channels, ...(draft.notify ?? [])])];
  const set = (name: string, on: boolean) => change({ notify: on ? [...(draft.notify ?? []), name] : (draft.notify ?? []).filter((one) => one !== name) });
  return (
    <section className="card" aria-labelledby="told">
      <h2 id="told">{t('editor.told')}</h2>
      {names.length === 0 && <p className="quiet">{t('editor.told.none')}</p>}
      {names.length > 0 && (
        <fieldset className="choices">
          <legend className="hidden">{t('editor.told')}</legend>
          <label className="check">
            <input type="radio" name="told" checked={draft.notify === null} onChange={() => change({ notify: null })} />
            <span>{t('editor.told.all')}</span>
          </label>
          <label className="check">
            <input type="radio" name="told" checked={draft.notify !== null} onChange={() => change({ notify: [] })} />
            <span>{t('editor.told.some')}</span>
          </label>
          {draft.notify !== null && names.map((name) => <Check key={name} label={name} checked={draft.notify?.includes(name) ?? false} onChange={(event) => set(name, event.target.checked)} />)}
        </fieldset>
      )}
      {wrong.notify && <Note look="bad">{wrong.notify}</Note>}
    </section>
  );
}

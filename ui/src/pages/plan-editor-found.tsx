// The databases that the server found below the folders that may be named, to be taken with one press. All are chosen at
// first; who knows better types a path.
import { useState } from 'react';
import { useFound } from '../api/plans';
import { useMay } from '../api/queries';
import { Button } from '../parts/button';
import { Check } from '../parts/field';
import { Note, titleOf } from '../parts/state';
import { Time } from '../parts/time';
import { t } from '../words';
import { list, size } from '../words/format';

export function Found({ onAdd }: { onAdd: (paths: string[]) => void }) {
  const may = useMay();
  const { data, error } = useFound(may.change);
  const [left, leave] = useState<ReadonlySet<string>>(new Set());
  if (error) return <Note look="warning">{titleOf(error)}</Note>;
  // Where nobody said which folders, there is nothing to say.
  if (!data || data.folders.length === 0) return null;
  const chosen = data.databases.map((one) => one.path).filter((path) => !left.has(path));
  if (data.databases.length === 0) return <Note>{t('found.none', { folders: list(data.folders) })}</Note>;
  return (
    <fieldset className="found stack">
      <legend>{t('found.title', { n: data.databases.length })}</legend>
      {data.databases.map(({ path, bytes, changed }) => (
        <Check
          key={path}
          label={
            <>
              <span className="mono">{path}</span>{' '}
              <span className="small quiet">
                {size(bytes)}
                {changed && (
                  <>
                    , {t('found.changed')} <Time at={changed} />
                  </>
                )}
              </span>
            </>
          }
          checked={!left.has(path)}
          onChange={(event) => {
            const next = new Set(left);
            if (event.target.checked) next.delete(path);
            else next.add(path);
            leave(next);
          }}
        />
      ))}
      {data.more && <p className="small quiet">{t('found.more')}</p>}
      <div className="buttons">
        <Button icon="plus" disabled={chosen.length === 0} onClick={() => onAdd(chosen)}>
          {t('found.add', { n: chosen.length })}
        </Button>
      </div>
    </fieldset>
  );
}

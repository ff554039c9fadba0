// Putting a backup back: what of it, then what that would do, then the yes. Nothing is changed before the last press.
import { useEffect, useRef, useState } from 'react';
import { Link, useSearchParams } from 'wouter';
import { useBackup, type BackupDetail } from '../api/backups';
import { usePreview } from '../api/restores';
import { useZone } from '../api/queries';
import { Button } from '../parts/button';
import { Check } from '../parts/field';
import { BackupPills } from '../parts/pill';
import { ErrorCard, Note, Skeleton } from '../parts/state';
import { Progress } from '../parts/progress';
import { Page } from '../shell/page';
import { t } from '../words';
import { clock, number, size } from '../words/format';
import { backupPath, restorePath } from './backup-path';
import { RestoreConfirm, StepList } from './restore-confirm';

export function RestorePage({ id }: { id: string }) {
  const backup = useBackup(id);
  if (backup.data === undefined) {
    return (
      <Page title={t('backup.restore')}>
        {backup.error ? <ErrorCard error={backup.error} retry={() => void backup.refetch()} /> : <Skeleton card lines={2} />}
      </Page>
    );
  }
  return <Known backup={backup.data} />;
}

function Known({ backup }: { backup: BackupDetail }) {
  const zone = useZone();
  const preview = usePreview();
  const [search] = useSearchParams();
  const [only, setOnly] = useState<string[]>(() => search.getAll('only'));
  const [stale, setStale] = useState(search.get('stale') === 'yes');
  const show = () => preview.mutate({ backup: backup.id, only });
  // A restore that found the data changed comes back here: the new preview comes by itself.
  const asked = useRef(false);
  const wanted = useRef(stale ? show : undefined);
  useEffect(() => {
    if (asked.current) return;
    asked.current = true;
    wanted.current?.();
  }, []);

  const again = `${restorePath(backup.id)}?${new URLSearchParams([['stale', 'yes'], ...only.map((name) => ['only', name])])}`;
  return (
    <Page
      title={t('restore.title', { plan: backup.plan })}
      pills={<BackupPills backup={backup} />}
      answer={
        <>
          <Link to={backupPath(backup.id)}>{t('restore.from', { when: clock(backup.created_at, zone), size: size(backup.bytes) })}</Link>. {t('restore.answer')}
        </>
      }
    >
      <StepList at={preview.data ? 'diff' : 'what'} />
      {preview.data && !preview.isPending ? (
        <RestoreConfirm
          plan={backup.plan}
          preview={preview.data}
          again={again}
          stale={stale}
          onStale={() => {
            setStale(true);
            show();
          }}
          back={t('restore.again')}
          command={`recoup restore ${backup.id}${only.map((name) => ` --only '${name.replaceAll("'", `'\\''`)}'`).join('')}`}
          onBack={() => {
            setStale(false);
            preview.reset();
          }}
        />
      ) : preview.isPending ? (
        <section className="card" role="status">
          <p>{t('restore.previewing')}</p>
          <Progress value={undefined} label={t('restore.previewing')} />
        </section>
      ) : (
        <What backup={backup} only={only} onChoose={setOnly} onShow={show} error={preview.error} />
      )}
    </Page>
  );
}

type WhatProps = { backup: BackupDetail; only: string[]; onChoose: (only: string[]) => void; onShow: () => void; error: Error | null };

/** A table or a file of a part. */
const isOf = (piece: string, part: string) => piece.startsWith(`${part}:`) || piece.startsWith(`${part}/`);

/** Everything, or some parts, or single tables, or files that were chosen where they are looked at. */
function What({ backup, only, onChoose, onShow, error }: WhatProps) {
  const [some, setSome] = useState(only.length > 0);
  const [wrong, setWrong] = useState(false);
  const has = (name: string) => only.includes(name);
  const set = (name: string, on: boolean) => {
    // A whole part and its pieces exclude each other.
    const rest = only.filter((one) => one !== name && !isOf(one, name) && !(isOf(name, one) && on));
    onChoose(on ? [...rest, name] : rest);
    setWrong(false);
  };
  const show = () => {
    setWrong(some && only.length === 0);
    if (!some || only.length > 0) onShow();
  };
  return (
    <section className="card">
      <h2>{t('restore.step.what')}</h2>
      <fieldset className="choices">
        <legend className="hidden">{t('restore.step.what')}</legend>
        <label className="check">
          <input
            type="radio"
            name="what"
            checked={!some}
            onChange={() => {
              setSome(false);
              onChoose([]);
            }}
          />
          <span>{t('restore.everything')}</span>
        </label>
        <label className="check">
          <input type="radio" name="what" checked={some} onChange={() => setSome(true)} />
          <span>{t('restore.choose')}</span>
        </label>
      </fieldset>
      {some && (
        <fieldset className="choices parts">
          <legend>{t('restore.parts')}</legend>
          {backup.parts
            .filter((part) => !part.absent)
            .map((part) => (
              <div key={part.name}>
                <Check
                  label={
                    <>
                      <bdi>{part.name}</bdi> <span className="quiet">{size(part.bytes)}</span>
                    </>
                  }
                  checked={has(part.name)}
                  onChange={(event) => set(part.name, event.target.checked)}
                />
                {part.files != null && !has(part.name) && only.some((one) => isOf(one, part.name)) && (
                  <div className="pieces">
                    {only
                      .filter((one) => isOf(one, part.name))
                      .map((one) => (
                        <Check key={one} label={<bdi>{one.slice(part.name.length + 1)}</bdi>} checked onChange={() => set(one, false)} />
                      ))}
                  </div>
                )}
                {part.tables.length > 0 && !has(part.name) && (
                  <details className="fold" open={only.some((one) => one.startsWith(`${part.name}:`))}>
                    <summary>
                      <span>{t('restore.tables_of', { name: part.name })}</span>
                    </summary>
                    <div>
                      {part.tables.map((table) => (
                        <Check
                          key={table.name}
                          label={
                            <>
                              <bdi>{table.name}</bdi> {table.rows != null && <span className="quiet">{t('diff.rows', { n: table.rows })}</span>}
                            </>
                          }
                          checked={has(`${part.name}:${table.name}`)}
                          onChange={(event) => set(`${part.name}:${table.name}`, event.target.checked)}
                        />
                      ))}
                    </div>
                  </details>
                )}
              </div>
            ))}
        </fieldset>
      )}
      {wrong && (
        <Note look="bad" live>
          {t('restore.none_chosen')}
        </Note>
      )}
      {error && <ErrorCard error={error} retry={show} />}
      <div className="buttons">
        <Button look="primary" onClick={show}>
          {t('restore.preview')}
        </Button>
        {some && only.length > 0 && <span className="quiet small">{number(only.length)}</span>}
      </div>
    </section>
  );
}

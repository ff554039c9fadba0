// Restoring from a file of this computer: which file and into which plan, checked before anything is sent; then the upload
// with its numbers; then the same preview and question as for any backup.
import { useEffect, useRef, useState, type DragEvent } from 'react';
import { useSearchParams } from 'wouter';
import { useSettings } from '../api/settings';
import { Upload, useUpload, type UploadState } from '../api/uploads';
import { useCards } from '../api/queries';
import { Button } from '../parts/button';
import { Field, Select, toFirstWrong } from '../parts/field';
import { Icon } from '../parts/icon';
import { Progress } from '../parts/progress';
import { ErrorCard, Note } from '../parts/state';
import { toast } from '../parts/toast';
import { Page } from '../shell/page';
import { t } from '../words';
import { duration, size } from '../words/format';
import { RestoreConfirm, StepList } from './restore-confirm';

const TYPES = ['.zip', '.db', '.sqlite', '.sqlite3', '.json'];

export function RestoreUpload() {
  const [upload] = useState(() => new Upload());
  const state = useUpload(upload);
  const [search] = useSearchParams();
  const [plan, setPlan] = useState(search.get('plan') ?? '');
  // Leaving by mistake would lose what was sent.
  const busy = state.state === 'sending' || state.state === 'paused' || state.state === 'broken';
  useEffect(() => {
    if (!busy) return;
    const hold = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', hold);
    return () => window.removeEventListener('beforeunload', hold);
  }, [busy]);
  useEffect(() => () => upload.pause(), [upload]);
  const anew = () => void upload.cancel();
  return (
    <Page title={t('upload.title')} answer={t('upload.answer')}>
      <StepList at={state.state === 'ready' ? 'diff' : 'what'} />
      {state.state === 'ready' ? (
        <RestoreConfirm
          plan={plan}
          preview={state.preview}
          again={`/restore/upload?plan=${encodeURIComponent(plan)}`}
          stale={false}
          onStale={anew}
          back={t('upload.another')}
          onBack={anew}
        />
      ) : state.state === 'none' || state.state === 'refused' ? (
        <Choose plan={plan} onPlan={setPlan} refused={state.state === 'refused' ? state.error : undefined} onSend={(file) => upload.start(plan, file)} />
      ) : (
        <Sending state={state} upload={upload} />
      )}
    </Page>
  );
}

type Wrong = { plan?: string; file?: string };
type ChooseProps = { plan: string; onPlan: (plan: string) => void; refused: Error | undefined; onSend: (file: File) => void };

function Choose({ plan, onPlan, refused, onSend }: ChooseProps) {
  const cards = useCards();
  const limit = useSettings().data?.upload_limit_bytes;
  const form = useRef<HTMLFormElement>(null);
  const [file, setFile] = useState<File>();
  const [over, setOver] = useState(false);
  const [wrong, setWrong] = useState<Wrong>({});
  const check = (given: File | undefined): string | undefined => {
    if (!given) return t('upload.none');
    if (!TYPES.some((type) => given.name.toLowerCase().endsWith(type))) return t('upload.wrong_type', { name: given.name });
    if (given.size === 0) return t('upload.empty');
    if (limit !== undefined && given.size > limit) return t('upload.too_large', { size: size(given.size), limit: size(limit) });
    return undefined;
  };
  const take = (given: File | undefined) => {
    setFile(given);
    const bad = given && check(given);
    setWrong((before) => ({ ...(before.plan && { plan: before.plan }), ...(bad && { file: bad }) }));
  };
  const send = () => {
    const bad = check(file);
    setWrong({ ...(!plan && { plan: t('upload.no_plan') }), ...(bad && { file: bad }) });
    if (plan && file && !bad) onSend(file);
    else toFirstWrong(form.current);
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files[0]);
  };
  return (
    <section className="card">
      <h2>{t('restore.step.what')}</h2>
      {refused && <ErrorCard error={refused} />}
      <form
        className="form"
        ref={form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <Select label={t('upload.plan')} help={t('upload.plan_hint')} value={plan} wrong={wrong.plan} onChange={(event) => onPlan(event.target.value)}>
          <option value="">–</option>
          {cards.data?.plans.filter((one) => !one.built_in).map((one) => <option key={one.name}>{one.name}</option>)}
        </Select>
        <Field label={t('upload.file')} help={t('upload.accepted', { limit: limit === undefined ? '…' : size(limit) })} wrong={wrong.file}>
          {(tied) => (
            <div
              className={over ? 'drop over' : 'drop'}
              onDragOver={(event) => {
                event.preventDefault();
                setOver(true);
              }}
              onDragLeave={() => setOver(false)}
              onDrop={drop}
            >
              <Icon name="download" />
              <span>{file ? `${file.name}, ${size(file.size)}` : t('upload.drop')}</span>
              <input {...tied} type="file" accept={TYPES.join(',')} onChange={(event) => take(event.target.files?.[0])} />
            </div>
          )}
        </Field>
        <div className="buttons">
          <Button type="submit" look="primary">
            {t('upload.submit')}
          </Button>
        </div>
      </form>
    </section>
  );
}

type Moving = Extract<UploadState, { done: number }>;

function Sending({ state, upload }: { state: Moving; upload: Upload }) {
  const [begun] = useState(() => Date.now());
  const { done, total, speed } = state;
  const early = Date.now() - begun < 3_000 || done < total * 0.02;
  const seconds = speed > 0 ? (total - done) / speed : Infinity;
  const left = seconds < 3 ? t('upload.finishing') : t('upload.left', { time: duration(Math.ceil(seconds) * 1000) });
  const numbers = { done: size(done), total: size(total), speed: size(speed), left };
  return (
    <section className="card">
      <h2>{t('upload.sending', { name: state.name })}</h2>
      <Progress value={state.state === 'reading' ? undefined : (100 * done) / total} label={t('upload.sending', { name: state.name })} />
      {state.state === 'reading' ? (
        <p role="status">{t('upload.reading')}</p>
      ) : (
        <p className="number quiet">{early || speed === 0 ? t('upload.starting', numbers) : t('upload.numbers', numbers)}</p>
      )}
      {state.state === 'paused' && <Note>{t('upload.paused')}</Note>}
      {state.state === 'broken' && (
        <Note look="warning" live>
          {t('upload.broken', { done: size(done) })}
        </Note>
      )}
      {state.state !== 'reading' && (
        <>
          <div className="buttons">
            {state.state === 'sending' ? (
              <Button icon="pause" onClick={() => upload.pause()}>
                {t('upload.pause')}
              </Button>
            ) : (
              <Button icon="play" look="primary" onClick={() => upload.goOn()}>
                {t('upload.go_on')}
              </Button>
            )}
            <Button icon="cross" onClick={() => void upload.cancel().then(() => toast(t('upload.cancelled')))}>
              {t('upload.cancel')}
            </Button>
          </div>
          <p className="small quiet">{t('upload.leave')}</p>
        </>
      )}
    </section>
  );
}

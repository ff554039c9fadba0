// The log of a run: its last lines, following the newest when that is wanted, filtered, wrapped, downloaded.
import { useEffect, useRef, useState } from 'react';
import { address } from '../api/client';
import type { Live } from '../api/live';
import { useRunLog, useZone, type Run } from '../api/queries';
import { Check, TextField } from '../parts/field';
import { Icon } from '../parts/icon';
import { Answer } from '../parts/state';
import { t } from '../words';
import { clock } from '../words/format';
import { merged } from './run-steps';

const SHOWN = 200;

export function RunLog({ run, live }: { run: Run; live: Live | undefined }) {
  const log = useRunLog(run.id, run.state === 'running');
  const [follow, setFollow] = useState(true);
  const [wrap, setWrap] = useState(true);
  const [filter, setFilter] = useState('');
  const zone = useZone();
  const box = useRef<HTMLPreElement>(null);
  const text = log.data === undefined ? undefined : merged(log.data, live);

  useEffect(() => {
    if (follow && run.state === 'running' && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text, follow, run.state]);

  return (
    <section className="card" aria-labelledby="log">
      <header>
        <h2 id="log" tabIndex={-1}>{t('run.log')}</h2>
        <a className="button" href={address(`api/v1/runs/${encodeURIComponent(run.id)}/log`)} download={`${run.id}.log`}>
          <Icon name="download" />
          {t('run.log.download')}
        </a>
      </header>
      <div className="row foot">
        <TextField label={t('run.log.filter')} type="search" value={filter} onChange={(event) => setFilter(event.target.value)} />
        <Check label={t('run.log.wrap')} checked={wrap} onChange={(event) => setWrap(event.target.checked)} />
        {run.state === 'running' && <Check label={t('run.log.follow')} checked={follow} onChange={(event) => setFollow(event.target.checked)} />}
      </div>
      <Answer of={{ ...log, data: text }}>
        {(known) => {
          const wanted = filter.toLowerCase();
          const lines = known
            .split('\n')
            .filter((line) => line !== '' && line.toLowerCase().includes(wanted));
          const shown = lines.slice(-SHOWN).map((line) => line.replace(/^\S+Z/, (at) => clock(at, zone, { day: false, seconds: true })));
          return (
            <>
              {lines.length > SHOWN && <p className="small quiet">{t('run.log.cut', { n: SHOWN })}</p>}
              <pre ref={box} className={wrap ? 'log' : 'log straight'} tabIndex={0} aria-label={t('run.log')}>
                {lines.length === 0 ? t('run.log.empty') : shown.join('\n')}
              </pre>
            </>
          );
        }}
      </Answer>
    </section>
  );
}

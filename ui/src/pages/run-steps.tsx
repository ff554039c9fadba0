// The steps of a run with how long each took, read from its log, where each step leaves a line when it begins.
import type { Live } from '../api/live';
import { useRunLog, type Run } from '../api/queries';
import { Icon } from '../parts/icon';
import { Answer } from '../parts/state';
import { t } from '../words';
import { duration } from '../words/format';

// As the server writes them into the log.
const PHASES = {
  'Copying data': 'capture',
  'Checking databases': 'check',
  Packing: 'pack',
  Storing: 'store',
  'Reading back': 'verify',
  Restoring: 'restore',
  Comparing: 'compare',
} as const;

type Step = { phase: keyof typeof PHASES; what: string[]; began: number };

/** Steps that follow each other in the same phase are one. */
function steps(log: string): Step[] {
  const all: Step[] = [];
  for (const line of log.split('\n')) {
    const [, at, words, what] = /^(\S+Z) ([^:]+)(?:: (.*))?$/.exec(line) ?? [];
    if (!at || !words || !(words in PHASES)) continue;
    const phase = words as Step['phase'];
    const last = all.at(-1);
    if (last?.phase === phase) last.what.push(what ?? '');
    else all.push({ phase, what: [what ?? ''], began: Date.parse(at) });
  }
  return all;
}

export function Steps({ run, live }: { run: Run; live: Live | undefined }) {
  const log = useRunLog(run.id, run.state === 'running');
  const text = log.data === undefined ? undefined : merged(log.data, live);
  // A run that failed before its first step has none.
  if (run.state === 'queued' || (text !== undefined && steps(text).length === 0)) return null;
  return (
    <section className="card" aria-labelledby="steps">
      <h2 id="steps">{t('run.phases')}</h2>
      <Answer of={{ ...log, data: text }}>
      {(known) => {
        const all = steps(known);
        const over = run.state === 'done';
        const end = run.finished_at ? Date.parse(run.finished_at) : undefined;
        return (
          <ol className="phases">
            {all.map((step, index) => {
              const last = index === all.length - 1;
              const stopped = last && over && run.outcome !== 'good' && run.outcome !== 'warnings';
              const until = all[index + 1]?.began ?? end;
              return (
                <li key={index} aria-current={last && !over ? 'step' : undefined} className={stopped ? 'ended' : undefined}>
                  <Icon name={stopped ? 'cross' : last && !over ? 'play' : 'check'} />
                  <span>{t(`run.phase.${PHASES[step.phase]}`)}</span>
                  <span className="number quiet">{until !== undefined && duration(Math.max(0, until - step.began))}</span>
                </li>
              );
            })}
          </ol>
        );
      }}
      </Answer>
    </section>
  );
}

/** The log as it was kept, and the lines that came since. */
export function merged(kept: string, live: Live | undefined): string {
  const lines = live?.lines ?? [];
  if (lines.length === 0) return kept;
  const known = new Set(kept.split('\n'));
  const first = lines.findIndex((line) => !known.has(line));
  return first < 0 ? kept : kept + lines.slice(first).join('\n') + '\n';
}

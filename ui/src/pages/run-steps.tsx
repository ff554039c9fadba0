// The steps of a run with how long each took, read from its log, where each step leaves a line when it begins. The log
// knows whole seconds; what took less says so.
import type { Live } from '../api/live';
import { useRunLog, type Run } from '../api/queries';
import { Icon } from '../parts/icon';
import { Answer } from '../parts/state';
import { t } from '../words';
import { duration } from '../words/format';
import { present } from '../words/now';

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

/** A step in the language that is shown; one that this page does not know, as the server says it. */
export const phase = (words: string): string => (words in PHASES ? t(`run.phase.${PHASES[words as Step['phase']]}`) : words);

type Step = { phase: keyof typeof PHASES; took: number; times: number };

/** What was done, in the order in which it first was: a run goes back and forth between packing and storing. */
function steps(log: string, end: number): { all: Step[]; now: Step | undefined } {
  const all = new Map<string, Step>();
  let [now, began]: [Step | undefined, number] = [undefined, 0];
  const close = (at: number) => now && (now.took += Math.max(0, at - began));
  for (const line of log.split('\n')) {
    const [, at, words] = /^(\S+Z) ([^:]+)(?::.*)?$/.exec(line) ?? [];
    if (!at || !words || !(words in PHASES)) continue;
    close(Date.parse(at));
    began = Date.parse(at);
    now = all.get(words) ?? { phase: words as Step['phase'], took: 0, times: 0 };
    now.times += 1;
    all.set(words, now);
  }
  close(end);
  return { all: [...all.values()], now };
}

export function Steps({ run, live }: { run: Run; live: Live | undefined }) {
  const log = useRunLog(run.id, run.state === 'running');
  const text = log.data === undefined ? undefined : merged(log.data, live);
  // A run that failed before its first step has none.
  if (run.state === 'queued' || (text !== undefined && steps(text, 0).all.length === 0)) return null;
  return (
    <section className="card" aria-labelledby="steps">
      <h2 id="steps">{t('run.phases')}</h2>
      <Answer of={{ ...log, data: text }}>
      {(known) => {
        const over = run.state === 'done';
        const { all, now } = steps(known, run.finished_at ? Date.parse(run.finished_at) : present());
        return (
          <ol className="phases">
            {all.map((step) => {
              const last = step === now;
              const stopped = last && over && run.outcome !== 'good' && run.outcome !== 'warnings';
              return (
                <li key={step.phase} aria-current={last && !over ? 'step' : undefined} className={stopped ? 'ended' : undefined}>
                  <Icon name={stopped ? 'cross' : last && !over ? 'play' : 'check'} />
                  <span>{phase(step.phase)}</span>
                  <span className="number quiet">{step.took < 1_000 ? t('run.step.short') : duration(step.took)}</span>
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

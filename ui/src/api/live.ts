// What happens on the server as it happens: one stream of server-sent events for the whole page, read by hand so that
// silence is noticed (the server says something every five seconds). When it breaks, questions are asked every five
// seconds instead. Not here: what is shown of it.
import { useSyncExternalStore } from 'react';
import { address, ask } from './client';
import { queries, type Run } from './queries';

/** What a run tells while it works. */
type RunEvent = {
  run: string;
  plan: string;
  state: Run['state'];
  progress?: { phase: string; what: string; done: number; total?: number | null } | null;
  line?: string | null;
  outcome?: Run['outcome'];
};

/** How the page stands with the server. */
export type Link = {
  /** `live`: events come. `polling`: they do not, but answers do. `offline`: neither. */
  state: 'live' | 'polling' | 'offline';
  /** When the server was last heard, in milliseconds. */
  heard: number;
};

/** One moment of a run, for speed and the time that is left. */
export type Sample = { at: number; phase: string; what: string; done: number; total: number | null };
export type Live = { event: RunEvent; at: number; samples: Sample[]; lines: string[] };

const SILENT_FOR = 12_000;
const POLL_EVERY = 5_000;

let link: Link = { state: 'live', heard: Date.now() };
let runs: ReadonlyMap<string, Live> = new Map();
const listeners = new Set<() => void>();
const tell = () => listeners.forEach((listener) => listener());
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** How the page stands with the server. */
export const useLink = (): Link => useSyncExternalStore(subscribe, () => link);
/** What each run told last. */
export const useLive = (): ReadonlyMap<string, Live> => useSyncExternalStore(subscribe, () => runs);

function stand(state: Link['state'], heard = state === 'offline' ? link.heard : Date.now()) {
  if (state !== link.state || heard !== link.heard) {
    link = { state, heard };
    tell();
  }
}

function take(event: RunEvent) {
  const before = runs.get(event.run);
  const at = Date.now();
  const samples = before?.samples.slice(-60) ?? [];
  const now = event.progress;
  if (now) samples.push({ at, phase: now.phase, what: now.what, done: now.done, total: now.total ?? null });
  const lines = [...(before?.lines ?? []), ...(event.line ? event.line.split('\n').filter(Boolean) : [])].slice(-400);
  // An event without progress does not take away what is known.
  const known = now ? event : { ...event, progress: before?.event.progress ?? null };
  const next = new Map(runs).set(event.run, { event: known, at, samples, lines });
  // Runs that ended long ago are not kept.
  if (next.size > 50) next.delete(next.keys().next().value as string);
  runs = next;
  tell();
  if (before?.event.state !== event.state || event.outcome) {
    for (const key of ['overview', 'runs', 'backups', 'plans']) void queries.invalidateQueries({ queryKey: [key] });
  }
}

/** Reads events until the stream ends; calls `heard` whenever anything comes, a comment too. */
async function read(stream: ReadableStream<Uint8Array>, heard: () => void) {
  const reader = stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    const parts = (rest + value).split('\n\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const field = (name: string) =>
        part.split('\n').filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim()).join('\n');
      if (field('event') === 'run') take(JSON.parse(field('data')) as RunEvent);
      if (field('event') === 'resync') void queries.invalidateQueries();
    }
  }
}

/** Follows the server until `stop` is called. */
export function follow(): () => void {
  const ended = new AbortController();
  let broken = false;
  const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
  const once = async () => {
    const silence = new AbortController();
    const stop = () => silence.abort();
    ended.signal.addEventListener('abort', stop);
    let timer = setTimeout(stop, SILENT_FOR);
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(stop, SILENT_FOR);
      stand('live');
    };
    try {
      const answer = await ask(address('api/v1/events'), { headers: { accept: 'text/event-stream' }, signal: silence.signal });
      if (answer.status === 401) queries.setQueryData(['me'], null);
      if (!answer.ok || !answer.body) return;
      heard();
      // What happened while nobody listened.
      if (broken) void queries.invalidateQueries();
      broken = true;
      await read(answer.body, heard);
    } catch {
      // Cut or silent: asked again below.
    } finally {
      clearTimeout(timer);
      ended.signal.removeEventListener('abort', stop);
    }
  };
  // A stream can hang as well as end; what is asked instead does not wait for it.
  const asks = setInterval(() => link.state === 'polling' && void queries.invalidateQueries(), POLL_EVERY);
  ended.signal.addEventListener('abort', () => clearInterval(asks));
  void (async () => {
    while (!ended.signal.aborted) {
      await once();
      if (ended.signal.aborted) return;
      // Events ended. Does the server answer at all?
      const alive = await ask(address('healthz'), { signal: AbortSignal.timeout(4_000) }).then((answer) => answer.ok, () => false);
      stand(alive ? 'polling' : 'offline');
      await pause(alive ? POLL_EVERY / 2 : POLL_EVERY);
    }
  })();
  return () => ended.abort();
}

/** For the end of a sign-in: what was seen is nobody else's. */
export function forget() {
  runs = new Map();
  tell();
}

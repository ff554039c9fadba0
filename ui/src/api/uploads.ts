// Sending a file in pieces: how far it is, how fast, paused, broken and taken up again. The server keeps what has arrived
// for an hour, so a broken connection costs one piece. Not here: what the file is (the server judges it at the end).
import { useSyncExternalStore } from 'react';
import { address, api, ask, body, problem, type Schemas } from './client';
import { previewOf, type Preview } from './restores';

export type UploadState =
  | { state: 'none' }
  | { state: 'sending' | 'paused' | 'reading'; done: number; total: number; speed: number; name: string }
  | { state: 'broken'; done: number; total: number; speed: number; name: string; error: Error }
  | { state: 'refused'; name: string; error: Error }
  | { state: 'ready'; name: string; total: number; preview: Preview };

const SMALLEST = 256 * 1024;
const LARGEST = 8 * 1024 * 1024;
const TRIES = 3;

/** One upload at a time. It lives as long as the page that shows it. */
export class Upload {
  #state: UploadState = { state: 'none' };
  #listeners = new Set<() => void>();
  #stop: AbortController | undefined;
  #file: File | undefined;
  #plan = '';
  #id: string | undefined;

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  readonly state = () => this.#state;

  #set(state: UploadState) {
    this.#state = state;
    this.#listeners.forEach((listener) => listener());
  }

  /** Begins with a file. */
  start(plan: string, file: File) {
    this.#plan = plan;
    this.#file = file;
    this.#id = undefined;
    void this.#send();
  }

  pause() {
    this.#stop?.abort();
    if (this.#state.state === 'sending') this.#set({ ...this.#state, state: 'paused' });
  }

  goOn() {
    void this.#send();
  }

  /** Stops and removes what has arrived. */
  async cancel() {
    this.#stop?.abort();
    const id = this.#id;
    this.#id = undefined;
    this.#set({ state: 'none' });
    if (id) await api.DELETE('/api/v1/uploads/pieces/{id}', { params: { path: { id } } }).catch(() => undefined);
  }

  async #send() {
    const file = this.#file;
    if (!file) return;
    const stop = new AbortController();
    this.#stop = stop;
    const { name, size: total } = file;
    const samples: { at: number; done: number }[] = [];
    let done = 0;
    const tell = (state: 'sending' | 'reading') => this.#set({ state, done, total, speed: rate(samples), name });
    try {
      // What the server has decides, whatever was sent before the connection broke.
      const begun: Schemas['UploadView'] = this.#id
        ? await body(api.GET('/api/v1/uploads/pieces/{id}', { params: { path: { id: this.#id } } }))
        : await body(api.POST('/api/v1/uploads/pieces', { body: { plan: this.#plan, bytes: total } }));
      this.#id = begun.id;
      done = begun.offset;
      let piece = SMALLEST * 4;
      let failures = 0;
      while (done < total) {
        samples.push({ at: performance.now(), done });
        if (samples.length > 12) samples.shift();
        tell('sending');
        const began = performance.now();
        try {
          done = await this.#piece(begun.id, file.slice(done, done + piece), done, stop.signal);
          failures = 0;
          // Pieces of about a second: small ones move the bar, large ones are fast.
          piece = Math.min(LARGEST, Math.max(SMALLEST, performance.now() - began < 1000 ? piece * 2 : piece / 2));
        } catch (error) {
          if (stop.signal.aborted || !passing(error) || ++failures > TRIES) throw error;
          await new Promise((again) => setTimeout(again, 1000 * 2 ** (failures - 1)));
          done = (await body(api.GET('/api/v1/uploads/pieces/{id}', { params: { path: { id: begun.id } } }))).offset;
        }
      }
      tell('reading');
      const preview = previewOf(await body(api.POST('/api/v1/uploads/pieces/{id}/finish', { params: { path: { id: begun.id } } })));
      if (!stop.signal.aborted) this.#set({ state: 'ready', name, total, preview });
    } catch (error) {
      if (stop.signal.aborted) return;
      if (passing(error)) this.#set({ state: 'broken', done, total, speed: 0, name, error: error as Error });
      else this.#set({ state: 'refused', name, error: error as Error });
    }
  }

  async #piece(id: string, bytes: Blob, offset: number, signal: AbortSignal): Promise<number> {
    const answer = await ask(address(`api/v1/uploads/pieces/${encodeURIComponent(id)}`), {
      method: 'PATCH',
      headers: { 'X-Recoup': '1', 'Upload-Offset': String(offset), 'content-type': 'application/octet-stream' },
      body: bytes,
      signal,
    });
    if (!answer.ok) throw await problem(answer);
    return ((await answer.json()) as Schemas['UploadView']).offset;
  }
}

/** Whether another try may help: the network, the server starting, a piece that arrived although its answer did not. */
function passing(error: unknown): boolean {
  if (!(error instanceof Error) || !('status' in error)) return false;
  const status = Number(error.status);
  return status === 0 || status === 408 || status === 409 || status === 429 || status >= 500;
}

function rate(samples: { at: number; done: number }[]): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || last.at - first.at < 500) return 0;
  return ((last.done - first.done) * 1000) / (last.at - first.at);
}

export const useUpload = (upload: Upload): UploadState => useSyncExternalStore(upload.subscribe, upload.state);

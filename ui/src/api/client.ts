// The one way to the server: typed by its OpenAPI document, with the header that changes need, and problems as errors.
// Not here: what is asked and kept (queries.ts) and what is streamed (live.ts).
import createClient from 'openapi-fetch';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];

/** The path that the page is found under, with `/` at its end. The server puts it into the page. */
export const BASE = new URL(document.baseURI).pathname;

/** An address of the API below the page's own path. */
export const address = (path: string): string => BASE + path.replace(/^\//, '');

/** What the server answers when it does not do something (RFC 9457), or that it does not answer. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly request: string | undefined;
  /** Seconds until another try makes sense. */
  readonly wait: number | undefined;

  constructor(status: number, body: Partial<Schemas['Problem']>, wait?: number) {
    super(body.title ?? `HTTP ${status}`);
    this.status = status;
    this.code = body.code ?? (status === 0 ? 'unreachable' : `http_${status}`);
    this.detail = body.detail ?? undefined;
    this.hint = body.hint ?? undefined;
    this.request = body.request_id ?? undefined;
    this.wait = wait;
  }
}

/** The problem that an answer tells. */
export async function problem(response: Response, body?: unknown): Promise<Problem> {
  const known = (body ?? (await response.json().catch(() => ({})))) as Partial<Schemas['Problem']>;
  const wait = Number(response.headers.get('retry-after'));
  return new Problem(response.status, known, Number.isFinite(wait) && wait > 0 ? wait : undefined);
}

/** Fetches below the page's path with the cookie and the header; a network that is gone is a [`Problem`] of status 0. */
export async function ask(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  try {
    return await fetch(input, init);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new Problem(0, { title: 'unreachable' });
  }
}

export const api = createClient<paths>({
  baseUrl: BASE.replace(/\/$/, ''),
  credentials: 'same-origin',
  headers: { 'X-Recoup': '1' },
  fetch: (request) => ask(request),
});

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** The body of an answer, or its problem thrown: for queries and mutations. */
export async function body<T>(answer: Promise<Answer<T>>): Promise<NonNullable<T>> {
  const { data, error, response } = await answer;
  if (!response.ok) throw await problem(response, error);
  return (data ?? undefined) as NonNullable<T>;
}

/** A new key for a change that must be done once, however often it is sent. */
export const once = (): string => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;

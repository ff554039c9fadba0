// `t` gives a text of the catalogue in the language that is shown. The compiler knows every key and that each language
// has all of them; German comes when it is asked for.
import { en, type Key, type Plural } from './en';
import { chosen, language } from './language';

export type { Key } from './en';
export type Values = Record<string, string | number>;
export type Catalogue = Record<Key, string | Plural>;

let other: Catalogue | undefined;

/** Fetches what the language needs; English is always there. */
export async function load(): Promise<void> {
  other = chosen() === 'de' ? (await import('./de')).de : undefined;
}

/** The text of a key. `{n}` also decides between the forms of one and of others. */
export function t(key: Key, values: Values = {}): string {
  const text = (other ?? (en as Catalogue))[key];
  const form = typeof text === 'string' ? text : text[plural(Number(values.n ?? 0))];
  return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? new Intl.NumberFormat(language()).format(value) : value;
  });
}

function plural(count: number): keyof Plural {
  return new Intl.PluralRules(language()).select(count) === 'one' ? 'one' : 'other';
}

/** The pieces of a text: plain ones, and names that stand for something that is more than text. */
export function pieces(key: Key, values: Values = {}): { text?: string; name?: string }[] {
  return t(key, values)
    .split(/(\{\w+\})/)
    .filter((piece) => piece !== '')
    .map((piece) => (/^\{\w+\}$/.test(piece) ? { name: piece.slice(1, -1) } : { text: piece }));
}

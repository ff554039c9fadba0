// Which language is shown: what was chosen here, else what the browser asks for, else English. Kept apart from the
// catalogue so that formats of numbers and times know it too.

export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof LANGUAGES;

const isKnown = (text: string | null | undefined): text is Language => text != null && text in LANGUAGES;

function first(): Language {
  let chosen: string | null = null;
  try {
    chosen = localStorage.getItem('language');
  } catch {
    // A browser that keeps nothing: what it asks for counts.
  }
  if (isKnown(chosen)) return chosen;
  return navigator.languages.map((tag) => tag.split('-')[0]).find(isKnown) ?? 'en';
}

let current: Language = first();
document.documentElement.lang = current;

/** The language that is shown. For formats English is British: day before month, 24 hours. */
export function language(): string {
  return current === 'en' ? 'en-GB' : current;
}

/** Its name among [`LANGUAGES`]. */
export function chosen(): Language {
  return current;
}

/** Shows another language from now on. Whoever calls this has the page drawn again. */
export function choose(next: Language): void {
  current = next;
  document.documentElement.lang = next;
  try {
    localStorage.setItem('language', next);
  } catch {
    // It holds until the page is closed.
  }
}

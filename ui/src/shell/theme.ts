// Light, dark, or as the system is: kept on this browser, set on <html> by boot.js before anything is drawn.

export type Theme = 'system' | 'light' | 'dark';

export function theme(): Theme {
  const set = document.documentElement.dataset.theme;
  return set === 'light' || set === 'dark' ? set : 'system';
}

export function chooseTheme(next: Theme): void {
  if (next === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    if (next === 'system') localStorage.removeItem('theme');
    else localStorage.setItem('theme', next);
  } catch {
    // It holds until the page is closed.
  }
}

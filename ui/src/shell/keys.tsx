// Keys for those who like them: a palette that goes anywhere, two letters for a place, `/` for the search of a page, `?`
// for the list. Single letters can be switched off (WCAG 2.1.4) and mean nothing inside a field.
import { Suspense, useEffect, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { later } from './later';

const Palette = later(() => import('./palette').then((module) => module.Palette));
const KeyList = later(() => import('./palette').then((module) => module.KeyList));

/** After `g`. */
export const GO: Record<string, string> = { o: '/', j: '/plans', r: '/runs' };

export function lettersAreOn(): boolean {
  try {
    return localStorage.getItem('keys') !== 'off';
  } catch {
    return true;
  }
}
export function switchLetters(on: boolean): void {
  try {
    if (on) localStorage.removeItem('keys');
    else localStorage.setItem('keys', 'off');
  } catch {
    // A browser that keeps nothing keeps them on.
  }
}

export function Keys() {
  const [shows, show] = useState<'' | 'palette' | 'list'>('');
  const [, go] = useLocation();
  const after = useRef(0);

  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const { key, target } = event;
      if (key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && !event.altKey) {
        event.preventDefault();
        show('palette');
        return;
      }
      const typing = target instanceof HTMLElement && target.closest('input, select, textarea, [role=menu], [role=dialog]');
      if (typing || event.ctrlKey || event.metaKey || event.altKey || !lettersAreOn()) return;
      const place = GO[key];
      if (place && Date.now() - after.current < 1_500) go(place);
      else if (key === '?') show('list');
      else if (key === '/') {
        const search = document.querySelector<HTMLInputElement>('main input[type=search]');
        if (search) event.preventDefault();
        search?.focus();
      }
      after.current = key === 'g' ? Date.now() : 0;
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [go]);

  return (
    <Suspense fallback={null}>
      {shows === 'palette' && <Palette onClose={() => show('')} />}
      {shows === 'list' && <KeyList onClose={() => show('')} />}
    </Suspense>
  );
}

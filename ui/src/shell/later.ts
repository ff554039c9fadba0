// Pages that are fetched when they are asked for. After an update of the server an old page asks for files that are gone:
// it is then loaded anew, once, and is the new one.
import { lazy, type ComponentType } from 'react';

export function later<Props>(load: () => Promise<ComponentType<Props>>) {
  return lazy(async () => {
    try {
      return { default: await load() };
    } catch (error) {
      const last = Number(sessionStorage.getItem('reloaded'));
      // Loaded anew just now, and still not there: that is told.
      if (Date.now() - last < 20_000) throw error;
      sessionStorage.setItem('reloaded', String(Date.now()));
      window.location.reload();
      return new Promise<never>(() => undefined);
    }
  });
}

// Keeps somebody from leaving a page by mistake while something on it is not saved: links, buttons that lead elsewhere, and
// closing the tab. The page that holds asks; not here: the question.
import { useEffect } from 'react';

type Holder = (leave: () => void) => void;
let holder: Holder | undefined;

/** Whatever leads elsewhere comes by here; a page that holds is asked first. */
export function around(go: () => void): void {
  if (holder) holder(go);
  else go();
}

/** Holds while `on`: `ask` gets what leads away, to be called when the answer is yes. */
export function useHold(on: boolean, ask: Holder): void {
  useEffect(() => {
    if (!on) return;
    holder = ask;
    const stay = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', stay);
    return () => {
      holder = undefined;
      window.removeEventListener('beforeunload', stay);
    };
  }, [on, ask]);
}

/** Lets go at once, before what was saved leads elsewhere. */
export function letGo(): void {
  holder = undefined;
}

// Something to take along: a command or an id with a button that copies it; with a name, a piece of several lines.
import { useState } from 'react';
import { t } from '../words';
import { Button } from './button';

export function Copyable({ text, name }: { text: string; name?: string }) {
  const [copied, set] = useState(false);
  const copy = async () => {
    // Without https there is no clipboard; the text can be selected by hand.
    await navigator.clipboard?.writeText(text).then(
      () => set(true),
      () => set(false),
    );
  };
  return (
    <div className={name ? 'stack' : 'spread'}>
      {name ? (
        <pre className="log" tabIndex={0} role="region" aria-label={name}>
          {text}
        </pre>
      ) : (
        <code>{text}</code>
      )}
      {'clipboard' in navigator && (
        <Button className="start" icon={copied ? 'check' : 'list'} onClick={() => void copy()}>
          {t(copied ? 'word.copied' : 'word.copy')}
          {name && <span className="hidden">: {name}</span>}
        </Button>
      )}
    </div>
  );
}

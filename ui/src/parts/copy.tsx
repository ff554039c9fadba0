// Something to take along: a command or an id with a button that copies it.
import { useState } from 'react';
import { t } from '../words';
import { Button } from './button';

export function Copyable({ text }: { text: string }) {
  const [copied, set] = useState(false);
  const copy = async () => {
    // Without https there is no clipboard; the text can be selected by hand.
    await navigator.clipboard?.writeText(text).then(
      () => set(true),
      () => set(false),
    );
  };
  return (
    <div className="spread">
      <code>{text}</code>
      {'clipboard' in navigator && (
        <Button icon={copied ? 'check' : 'list'} onClick={() => void copy()}>
          {t(copied ? 'word.copied' : 'word.copy')}
        </Button>
      )}
    </div>
  );
}

// A field for a password: shown when asked for, pasting allowed, known to password managers by `autoComplete`.
import { useState, type ComponentProps } from 'react';
import { t } from '../words';
import { Button } from './button';
import { Field } from './field';

type Props = { label: string; help?: string; wrong?: string | undefined } & Omit<ComponentProps<'input'>, 'type'>;

export function Password({ label, help, wrong, ...rest }: Props) {
  const [shown, show] = useState(false);
  return (
    <Field label={label} {...(help && { help })} wrong={wrong}>
      {(tied) => (
        <div className="beside">
          <input {...rest} {...tied} type={shown ? 'text' : 'password'} spellCheck={false} autoCapitalize="none" />
          <Button
            icon="eye"
            aria-label={t(shown ? 'signin.hide' : 'signin.show')}
            aria-pressed={shown}
            onClick={() => show(!shown)}
          />
        </div>
      )}
    </Field>
  );
}

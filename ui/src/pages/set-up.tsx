// The first account of a server that has none: with the code that it printed, one becomes its admin and is signed in.
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { useLocation } from 'wouter';
import { Problem } from '../api/client';
import { useSetUp } from '../api/queries';
import { Brand } from '../parts/brand';
import { Button } from '../parts/button';
import { TextField, toFirstWrong } from '../parts/field';
import { Password } from '../parts/password';
import { ErrorCard } from '../parts/state';
import { toast } from '../parts/toast';
import { Choices } from '../shell/choices';
import { useTitle } from '../shell/page';
import { t } from '../words';

type Wrong = { code?: string; name?: string; password?: string };

export function SetUp() {
  useTitle(t('page.setup'));
  const form = useRef<HTMLFormElement>(null);
  const [wrong, setWrong] = useState<Wrong>({});
  const setUp = useSetUp();
  const [, go] = useLocation();
  // The server prints an address that has the code in it; it does not stay in the browser's list of addresses.
  const [given] = useState(() => window.location.hash.slice(1));
  useEffect(() => {
    if (given) window.history.replaceState(null, '', window.location.pathname);
  }, [given]);

  const tell = (next: Wrong) => {
    setWrong(next);
    toFirstWrong(form.current);
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (setUp.isPending) return;
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name));
    const [code, name, password] = [text('code').trim(), text('name').trim(), text('password')];
    const found: Wrong = {
      ...(!code && { code: t('setup.empty') }),
      ...(!name && { name: t('setup.empty') }),
      ...([...password].length < 12 && { password: t('setup.short') }),
    };
    if (Object.keys(found).length > 0) return tell(found);
    setWrong({});
    setUp.mutate(
      { code, name, password },
      {
        onSuccess: () => {
          toast(t('setup.done'));
          go('/welcome', { replace: true });
        },
        onError: (error) => {
          if (!(error instanceof Problem)) return;
          if (error.code === 'wrong_code') tell({ code: t('setup.wrong_code') });
          if (error.code.includes('password')) tell({ password: error.message });
          if (error.code.includes('name')) tell({ name: error.message });
        },
      },
    );
  };

  const told = wrong.code ?? wrong.name ?? wrong.password;
  return (
    <main className="alone">
      <div className="brand">
        <Brand host={false} />
      </div>
      <h1>{t('page.setup')}</h1>
      <p>{t('setup.answer')}</p>
      {setUp.error && !told && <ErrorCard error={setUp.error} />}
      <form ref={form} onSubmit={submit} noValidate>
        <TextField
          label={t('setup.code')}
          help={t('setup.code.help')}
          name="code"
          autoComplete="one-time-code"
          spellCheck={false}
          defaultValue={given}
          autoFocus={!given}
          wrong={wrong.code}
        />
        <TextField label={t('setup.name')} name="name" autoComplete="username" autoCapitalize="none" spellCheck={false} autoFocus={given !== ''} wrong={wrong.name} />
        <Password label={t('setup.password')} help={t('setup.password.help')} name="password" autoComplete="new-password" wrong={wrong.password} />
        <Button type="submit" look="primary" busy={setUp.isPending}>
          {t('setup.submit')}
        </Button>
      </form>
      <Choices />
    </main>
  );
}

// Signing in: name, password, nothing to transcribe. Afterwards one is where one wanted to go. A wrong name and a wrong
// password are told alike; too many tries count down.
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { useLocation } from 'wouter';
import { Problem } from '../api/client';
import { useSignIn } from '../api/queries';
import { Brand } from '../parts/brand';
import { Button } from '../parts/button';
import { TextField, toFirstWrong } from '../parts/field';
import { Password } from '../parts/password';
import { Note, titleOf } from '../parts/state';
import { Choices } from '../shell/choices';
import { useTitle } from '../shell/page';
import { safe } from '../shell/return-address';
import { t } from '../words';

export function SignIn() {
  useTitle(t('page.sign_in'));
  const form = useRef<HTMLFormElement>(null);
  const [missing, setMissing] = useState<{ name?: boolean; password?: boolean }>({});
  const [wait, setWait] = useState(0);
  const [, go] = useLocation();
  const next = new URLSearchParams(window.location.search).get('next');
  const signIn = useSignIn();
  // The demo prints an address that has name and password in it; they do not stay in the browser's list of addresses.
  const [given] = useState(() => decoded(window.location.hash.slice(1)).split(':'));
  useEffect(() => {
    if (given.length === 2) window.history.replaceState(null, '', window.location.pathname + window.location.search);
  }, [given]);

  useEffect(() => {
    if (wait <= 0) return;
    const timer = setTimeout(() => setWait(wait - 1), 1_000);
    return () => clearTimeout(timer);
  }, [wait]);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const [name, password] = [String(given.get('name')).trim(), String(given.get('password'))];
    setMissing({ name: !name, password: !password });
    if (!name || !password) return toFirstWrong(form.current);
    if (signIn.isPending || wait > 0) return;
    signIn.mutate(
      { name, password },
      {
        onSuccess: () => go(safe(next), { replace: true }),
        onError: (error) => {
          if (error instanceof Problem && error.status === 429) setWait(error.wait ?? 1);
          form.current?.querySelector<HTMLInputElement>('[name=password]')?.select();
        },
      },
    );
  };

  const { error } = signIn;
  const known = error instanceof Problem ? error : undefined;
  const elsewhere = known?.code === 'no_sign_in';
  const locked = known?.status === 429;
  const told = locked ? t('signin.locked', { n: wait }) : known?.status === 401 ? t('signin.wrong') : error ? titleOf(error) : '';
  return (
    <main className="alone">
      <div className="brand">
        <Brand />
      </div>
      <h1>{t('page.sign_in')}</h1>
      {next && !error && <p className="quiet">{t('signin.expired')}</p>}
      {elsewhere && <Note look="warning" live>{t('signin.elsewhere')}</Note>}
      {told && !elsewhere && !(locked && wait === 0) && <Note look="bad" live={!locked}>{told}</Note>}
      <form ref={form} onSubmit={submit} noValidate>
        <TextField
          label={t('signin.name')}
          name="name"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          {...(given.length === 2 && { defaultValue: given[0] })}
          wrong={missing.name ? t('setup.empty') : undefined}
        />
        <Password
          label={t('signin.password')}
          name="password"
          autoComplete="current-password"
          {...(given.length === 2 && { defaultValue: given[1] })}
          wrong={missing.password ? t('setup.empty') : undefined}
        />
        <Button type="submit" look="primary" busy={signIn.isPending} disabled={wait > 0}>
          {t('signin.submit')}
        </Button>
      </form>
      <p className="small quiet">
        {t('signin.lost')} <code>recoup user reset NAME</code>
      </p>
      <Choices />
    </main>
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

// One's own: who one is, how this browser shows things, another password.
import { useMutation } from '@tanstack/react-query';
import { useRef, useState, type FormEvent } from 'react';
import { api, body, Problem } from '../api/client';
import { useMe } from '../api/queries';
import { Button } from '../parts/button';
import { Check, Select, toFirstWrong } from '../parts/field';
import { Password } from '../parts/password';
import { Answer, ErrorCard } from '../parts/state';
import { chooseTimes, times, type Times } from '../parts/time';
import { toast } from '../parts/toast';
import { Choices } from '../shell/choices';
import { lettersAreOn, switchLetters } from '../shell/keys';
import { Page } from '../shell/page';
import { t } from '../words';

export function Profile() {
  const me = useMe();
  const [shown, show] = useState(times());
  return (
    <Page title={t('page.profile')}>
      <div className="grid">
        <section className="card">
          <Answer of={{ ...me, data: me.data ?? undefined }}>
            {(known) => (
              <dl className="facts">
                <dt>{t('signin.name')}</dt>
                <dd>{known.name}</dd>
                <dt>{t('profile.role')}</dt>
                <dd>{t(`profile.role.${known.role}`)}</dd>
              </dl>
            )}
          </Answer>
          <Choices />
          <Select
            label={t('profile.times')}
            value={shown}
            onChange={(event) => {
              chooseTimes(event.target.value as Times);
              show(times());
            }}
          >
            <option value="relative">{t('profile.times.relative')}</option>
            <option value="exact">{t('profile.times.exact')}</option>
          </Select>
          <Check label={t('keys.letters')} defaultChecked={lettersAreOn()} onChange={(event) => switchLetters(event.target.checked)} />
        </section>
        {me.data?.via === 'session' && <NewPassword />}
      </div>
    </Page>
  );
}

function NewPassword() {
  const form = useRef<HTMLFormElement>(null);
  const [wrong, setWrong] = useState<{ old?: string; next?: string }>({});
  const change = useMutation({
    mutationFn: (given: { old: string; new: string }) => body(api.POST('/api/v1/me/password', { body: given })),
  });
  const tell = (next: typeof wrong) => {
    setWrong(next);
    toFirstWrong(form.current);
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (change.isPending) return;
    const given = new FormData(event.currentTarget);
    const [old, next] = [String(given.get('old')), String(given.get('new'))];
    if (!old) return tell({ old: t('setup.empty') });
    if ([...next].length < 12) return tell({ next: t('setup.short') });
    setWrong({});
    change.mutate(
      { old, new: next },
      {
        onSuccess: () => {
          form.current?.reset();
          toast(t('profile.password.done'));
        },
        onError: (error) => {
          if (!(error instanceof Problem)) return;
          if (error.code === 'wrong_password') tell({ old: t('proof.wrong') });
          else if (error.status === 422) tell({ next: error.message });
        },
      },
    );
  };
  return (
    <section className="card" aria-labelledby="password">
      <h2 id="password">{t('profile.password')}</h2>
      {change.error && !wrong.old && !wrong.next && <ErrorCard error={change.error} />}
      <form ref={form} className="form" onSubmit={submit} noValidate>
        <Password label={t('profile.password.old')} name="old" autoComplete="current-password" wrong={wrong.old} />
        <Password label={t('profile.password.new')} help={t('setup.password.help')} name="new" autoComplete="new-password" wrong={wrong.next} />
        <div className="buttons">
          <Button type="submit" look="primary" busy={change.isPending}>
            {t('profile.password.submit')}
          </Button>
        </div>
      </form>
    </section>
  );
}

// Users with what they may do, and tokens for scripts. A token is shown once. What widens access may want the password.
import { useState, type FormEvent } from 'react';
import { useMakeToken, useRemoveToken, useTokens, useUserAct, useUsers, type User } from '../api/settings';
import { useMe } from '../api/queries';
import { Button } from '../parts/button';
import { Copyable } from '../parts/copy';
import { Confirm, Dialog, Proof, wantsProof } from '../parts/dialog';
import { Select, TextField } from '../parts/field';
import { Menu } from '../parts/menu';
import { Password } from '../parts/password';
import { Pill } from '../parts/pill';
import { Answer, Empty, ErrorCard, Note, titleOf } from '../parts/state';
import { Table } from '../parts/table';
import { Time } from '../parts/time';
import { toast } from '../parts/toast';
import { t } from '../words';

const ROLES = ['viewer', 'operator', 'admin'] as const;
const SCOPES = ['read', 'run', 'write', 'admin'] as const;

/** Does something again after the password was given, when the server wanted it. */
function useProven() {
  const [again, set] = useState<{ act: () => void }>();
  const onError = (act: () => void) => (error: Error) => {
    if (wantsProof(error)) set({ act });
    else toast(titleOf(error), { icon: 'warning' });
  };
  return { onError, dialog: <Proof open={again !== undefined} onClose={() => set(undefined)} onProven={() => again?.act()} /> };
}

export function Users() {
  const users = useUsers();
  const me = useMe().data;
  const act = useUserAct();
  const proven = useProven();
  const [asks, ask] = useState<{ user: User; what: 'password' } | 'new'>();
  const change = (wanted: Parameters<typeof act.mutate>[0], done: string) => {
    const run = () => act.mutate(wanted, { onSuccess: () => toast(done), onError: proven.onError(run) });
    run();
  };
  return (
    <section className="card">
      <header>
        <h2>{t('settings.tab.users')}</h2>
        <Button icon="plus" onClick={() => ask('new')}>
          {t('users.add')}
        </Button>
      </header>
      <Answer of={users}>
        {(all) => (
          <Table
            caption={t('settings.tab.users')}
            rows={all}
            id={(user) => user.id}
            columns={[
              { name: t('editor.name'), cell: (user) => <bdi>{user.name}</bdi> },
              {
                name: t('profile.role'),
                cell: (user) => (
                  <select
                    className="input"
                    aria-label={`${t('profile.role')}: ${user.name}`}
                    value={user.role}
                    disabled={user.id === me?.id}
                    onChange={(event) => change({ id: user.id, change: { role: event.target.value as User['role'] } }, t('editor.saved'))}
                  >
                    {ROLES.map((role) => (
                      <option key={role} value={role}>
                        {t(`users.role.${role}`)}
                      </option>
                    ))}
                  </select>
                ),
              },
              {
                name: t('plan.state'),
                cell: (user) => (
                  <Pill look={user.disabled ? 'bad' : 'good'} icon={user.disabled ? 'lock' : 'check'}>
                    {t(user.disabled ? 'users.disabled' : user.password ? 'users.active' : 'users.by_proxy')}
                  </Pill>
                ),
              },
              { name: t('users.since'), cell: (user) => <Time at={user.created_at} exact /> },
            ]}
            act={(user) => (
              <Menu
                label={t('word.actions', { name: user.name })}
                items={[
                  { label: t('users.password'), icon: 'lock', act: () => ask({ user, what: 'password' }) },
                  { label: t('users.end'), icon: 'stop', act: () => change({ id: user.id, end: true }, t('users.ended', { name: user.name })) },
                  {
                    label: t(user.disabled ? 'users.enable' : 'users.disable'),
                    icon: user.disabled ? 'check' : 'cross',
                    bad: !user.disabled,
                    disabled: user.id === me?.id,
                    act: () => change({ id: user.id, change: { disabled: !user.disabled } }, t('editor.saved')),
                  },
                ]}
              />
            )}
            actName={t('word.more')}
          />
        )}
      </Answer>
      <Dialog open={asks !== undefined} title={asks === 'new' ? t('users.add') : t('users.password.title', { name: asks?.user.name ?? '' })} onClose={() => ask(undefined)}>
        {asks && <UserForm user={asks === 'new' ? undefined : asks.user} onDone={() => ask(undefined)} />}
      </Dialog>
      {proven.dialog}
    </section>
  );
}

function UserForm({ user, onDone }: { user: User | undefined; onDone: () => void }) {
  const act = useUserAct();
  const proven = useProven();
  const [wrong, setWrong] = useState<{ name?: string; password?: string }>({});
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const [name, password, role] = [String(given.get('name') ?? '').trim(), String(given.get('password')), String(given.get('role')) as User['role']];
    const found = { ...(!user && !name && { name: t('setup.empty') }), ...(password.length < 12 && { password: t('setup.short') }) };
    setWrong(found);
    if (Object.keys(found).length > 0 || act.isPending) return;
    const run = () =>
      act.mutate(user ? { id: user.id, change: { password } } : { make: { name, password, role } }, {
        onSuccess: () => {
          toast(user ? t('users.password.done', { name: user.name }) : t('users.added', { name }));
          onDone();
        },
        onError: (error) => wantsProof(error) && proven.onError(run)(error),
      });
    run();
  };
  return (
    <>
      <form className="form" noValidate onSubmit={submit}>
        {!user && <TextField name="name" label={t('editor.name')} autoComplete="off" autoCapitalize="none" wrong={wrong.name} />}
        <Password name="password" label={t('profile.password.new')} help={t('setup.password.help')} autoComplete="new-password" wrong={wrong.password} />
        {!user && (
          <Select name="role" label={t('profile.role')} defaultValue="operator">
            {ROLES.map((role) => (
              <option key={role} value={role}>
                {t(`profile.role.${role}`)}
              </option>
            ))}
          </Select>
        )}
        {act.error && !wantsProof(act.error) && <ErrorCard error={act.error} />}
        <div className="buttons">
          <Button onClick={onDone}>{t('word.cancel')}</Button>
          <Button type="submit" look="primary" busy={act.isPending}>
            {user ? t('profile.password.submit') : t('users.add')}
          </Button>
        </div>
      </form>
      {proven.dialog}
    </>
  );
}

export function Tokens() {
  const tokens = useTokens();
  const make = useMakeToken();
  const remove = useRemoveToken();
  const proven = useProven();
  const [wrong, setWrong] = useState<string>();
  const [gone, setGone] = useState<{ id: string; name: string }>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    const name = String(given.get('name')).trim();
    setWrong(name ? undefined : t('setup.empty'));
    if (!name || make.isPending) return;
    const run = () =>
      make.mutate(
        { name, scope: String(given.get('scope')) as (typeof SCOPES)[number], days: Number(given.get('days')) || 90 },
        { onSuccess: () => form.reset(), onError: (error) => wantsProof(error) && proven.onError(run)(error) },
      );
    run();
  };
  return (
    <>
      <section className="card">
        <h2>{t('tokens.make')}</h2>
        {make.data && (
          <Note look="good" live>
            <strong>{t('tokens.once')}</strong>
            <Copyable text={make.data.token} />
          </Note>
        )}
        <form className="form" noValidate onSubmit={submit}>
          <div className="filters top">
            <TextField name="name" label={t('editor.name')} autoComplete="off" wrong={wrong} />
            <Select name="scope" label={t('tokens.scope')} defaultValue="read">
              {SCOPES.map((scope) => (
                <option key={scope} value={scope}>
                  {t(`tokens.scope.${scope}`)}
                </option>
              ))}
            </Select>
            <TextField name="days" label={t('tokens.days')} type="number" min={1} max={366} defaultValue={90} />
          </div>
          {make.error && !wantsProof(make.error) && <ErrorCard error={make.error} />}
          <div className="buttons">
            <Button type="submit" look="primary" busy={make.isPending}>
              {t('tokens.make')}
            </Button>
          </div>
        </form>
      </section>
      <section className="card">
        <h2>{t('settings.tab.tokens')}</h2>
        <Answer of={tokens}>
          {(all) =>
            all.length === 0 ? (
              <Empty>{t('tokens.empty')}</Empty>
            ) : (
              <Table
                caption={t('settings.tab.tokens')}
                rows={all}
                id={(token) => token.id}
                columns={[
                  { name: t('editor.name'), cell: (token) => <bdi>{token.name}</bdi> },
                  { name: t('tokens.scope'), cell: (token) => t(`tokens.scope.${token.scope}`) },
                  { name: t('tokens.expires'), cell: (token) => <Time at={token.expires_at} exact /> },
                  { name: t('tokens.used'), cell: (token) => (token.used_at ? <Time at={token.used_at} /> : t('word.never')) },
                ]}
                act={(token) => (
                  <Button look="plain" icon="trash" aria-label={t('tokens.remove', { name: token.name })} onClick={() => setGone(token)} />
                )}
                actName={t('word.more')}
              />
            )
          }
        </Answer>
      </section>
      <Confirm
        open={gone !== undefined}
        title={t('tokens.remove.title', { name: gone?.name ?? '' })}
        text={t('tokens.remove.text')}
        submit={t('tokens.remove.submit')}
        busy={remove.isPending}
        onClose={() => setGone(undefined)}
        onConfirm={() => {
          const run = () => gone && remove.mutate(gone.id, { onSuccess: () => setGone(undefined), onError: proven.onError(run) });
          run();
        }}
      />
      {proven.dialog}
    </>
  );
}

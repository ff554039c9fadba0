// How the daemon is set, behind tabs that are addresses: general, what holds for plans, who is told, users, tokens, the
// system, what is dangerous. What comes from
// recoup.toml says so and is changed there.
import type { FormEvent } from 'react';
import { Link } from 'wouter';
import { useChangeSettings, useSettings, type Settings } from '../api/settings';
import { useMay } from '../api/queries';
import { Button } from '../parts/button';
import { TextField } from '../parts/field';
import { Answer, ErrorCard, Note } from '../parts/state';
import { toast } from '../parts/toast';
import { Page } from '../shell/page';
import { t } from '../words';
import { number, size } from '../words/format';
import { NotFound } from './not-found';
import { Channels } from './settings-channels';
import { Danger } from './settings-danger';
import { Defaults } from './settings-defaults';
import { Integrations } from './settings-integrations';
import { Tokens, Users } from './settings-people';
import { System } from './settings-system';

const TABS = ['general', 'defaults', 'notifications', 'users', 'tokens', 'integrations', 'system', 'danger'] as const;
/** Not only for admins. */
const OPEN: readonly Tab[] = ['general', 'defaults', 'tokens', 'integrations'];
type Tab = (typeof TABS)[number];

export function SettingsPage({ tab }: { tab: string }) {
  const may = useMay();
  const known = TABS.find((one) => one === tab);
  if (!known) return <NotFound />;
  const shown = TABS.filter((one) => may.admin || OPEN.includes(one));
  return (
    <Page title={known === 'general' ? t('page.settings') : `${t('page.settings')}: ${t(`settings.tab.${known}`)}`}>
      <nav className="tabs" aria-label={t('page.settings')}>
        {shown.map((one) => (
          <Link key={one} to={one === 'general' ? '/settings' : `/settings/${one}`} aria-current={one === known ? 'page' : undefined}>
            {t(`settings.tab.${one}`)}
          </Link>
        ))}
      </nav>
      {shown.includes(known) ? <Content tab={known} /> : <Note>{t('error.denied')}</Note>}
    </Page>
  );
}

function Content({ tab }: { tab: Tab }) {
  if (tab === 'notifications') return <Channels />;
  if (tab === 'users') return <Users />;
  if (tab === 'tokens') return <Tokens />;
  if (tab === 'integrations') return <Integrations />;
  if (tab === 'defaults') return <Defaults />;
  if (tab === 'danger') return <Danger />;
  return tab === 'system' ? <System /> : <General />;
}

function General() {
  const settings = useSettings();
  return (
    <Answer of={settings} card>
      {(known) => (
        <>
          <Numbers key={`${known.check_interval_seconds.value} ${known.outbound_timeout_seconds.value}`} known={known} />
          <section className="card">
            <h2>{t('settings.fixed')}</h2>
            <dl className="facts">
              <dt>{t('plan.settings.zone')}</dt>
              <dd>{known.zone}</dd>
              <dt>{t('settings.public_url')}</dt>
              <dd>{known.public_url ?? t('word.none')}</dd>
              <dt>{t('settings.concurrency')}</dt>
              <dd>{number(known.concurrency)}</dd>
              <dt>{t('settings.upload_limit')}</dt>
              <dd>{size(known.upload_limit_bytes)}</dd>
            </dl>
            <p className="small quiet">{t('settings.fixed.help')}</p>
          </section>
          <section className="card">
            <h2>{t('settings.yours')}</h2>
            <p>
              <Link to="/profile">{t('page.profile')}</Link>
            </p>
          </section>
        </>
      )}
    </Answer>
  );
}

const KEYS = ['check_interval_seconds', 'outbound_timeout_seconds'] as const;

function Numbers({ known }: { known: Settings }) {
  const change = useChangeSettings();
  const may = useMay();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (change.isPending) return;
    const given = new FormData(event.currentTarget);
    const wanted = KEYS.filter((key) => known[key].origin !== 'file').map((key) => [key, given.get(key) ? Number(given.get(key)) : null] as const);
    change.mutate(Object.fromEntries(wanted), { onSuccess: () => toast(t('editor.saved')) });
  };
  return (
    <form className="card form" noValidate onSubmit={submit}>
      <h2>{t('settings.tab.general')}</h2>
      {KEYS.map((key) => {
        const file = known[key].origin === 'file';
        return (
          <TextField
            key={key}
            name={key}
            label={t(`settings.${key}`)}
            help={`${t(`settings.${key}.help`)} ${t(`settings.origin.${known[key].origin}`)}`}
            type="number"
            min={1}
            defaultValue={known[key].value}
            readOnly={file || !may.admin}
          />
        );
      })}
      {change.error && <ErrorCard error={change.error} />}
      {may.admin && (
        <div className="buttons">
          <Button type="submit" look="primary" busy={change.isPending}>
            {t('editor.save')}
          </Button>
        </div>
      )}
    </form>
  );
}

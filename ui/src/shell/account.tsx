// Theme and user: two menus at the foot of the rail. A narrow page has the same on "More".
import { useState } from 'react';
import { useLocation } from 'wouter';
import { useMe, useSignOut } from '../api/queries';
import { Menu } from '../parts/menu';
import { t } from '../words';
import { chosen, LANGUAGES, type Language } from '../words/language';
import { useLanguage } from './language';
import { chooseTheme, theme, type Theme } from './theme';

export function Account() {
  const [shown, show] = useState(theme());
  const me = useMe();
  const out = useSignOut();
  const change = useLanguage();
  const [, go] = useLocation();
  const themes = (['system', 'light', 'dark'] as const).map((value) => ({ value, label: t(`shell.theme.${value}`) }));
  const languages = Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }));
  const name = me.data?.name ?? '';
  const leave = () => out.mutate(undefined, { onSuccess: () => go('/sign-in') });
  return (
    <>
      <Menu
        label={t('shell.theme')}
        icon="theme"
        text={t('shell.theme')}
        items={[
          {
            group: t('shell.theme'),
            value: shown,
            options: themes,
            onChoose: (value) => {
              chooseTheme(value as Theme);
              show(value as Theme);
            },
          },
        ]}
      />
      <Menu
        label={name}
        icon="user"
        text={name}
        items={[
          { label: t('page.profile'), icon: 'user', to: '/profile' },
          { group: t('shell.language'), value: chosen(), options: languages, onChoose: (value) => void change(value as Language) },
          // Whoever came through another application's sign-in leaves there.
          ...(me.data?.via === 'session' ? [{ label: t('shell.sign_out'), icon: 'back' as const, act: leave }] : []),
        ]}
      />
    </>
  );
}

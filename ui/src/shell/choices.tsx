// Language, theme and how times are told, as ordinary fields: for pages outside of the rail and for the profile.
import { useState } from 'react';
import { Select } from '../parts/field';
import { t } from '../words';
import { chosen, LANGUAGES, type Language } from '../words/language';
import { useLanguage } from './language';
import { chooseTheme, theme, type Theme } from './theme';

export function Choices() {
  const change = useLanguage();
  const [shown, show] = useState(theme());
  return (
    <div className="grid">
      <Select label={t('shell.language')} value={chosen()} onChange={(event) => void change(event.target.value as Language)}>
        {Object.entries(LANGUAGES).map(([value, name]) => (
          <option key={value} value={value} lang={value}>
            {name}
          </option>
        ))}
      </Select>
      <Select
        label={t('shell.theme')}
        value={shown}
        onChange={(event) => {
          chooseTheme(event.target.value as Theme);
          show(theme());
        }}
      >
        {(['system', 'light', 'dark'] as const).map((value) => (
          <option key={value} value={value}>
            {t(`shell.theme.${value}`)}
          </option>
        ))}
      </Select>
    </div>
  );
}

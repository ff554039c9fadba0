// The mark and the name. Drawn here, and in index.html, so that nothing has to be fetched for it.
import { t } from '../words';

const LINES = 'M9.5 16a6.5 6.5 0 1 0 2-4.7M11.6 6.8v4.9h4.9';

export function Brand({ host = true }: { host?: boolean }) {
  return (
    <>
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <rect width="32" height="32" rx="8" fill="#0b6e5f" />
        <path d={LINES} fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round" strokeLinejoin="round" />
      </svg>
      <span>
        {t('app.name')}
        {host && <small>{window.location.hostname}</small>}
      </span>
    </>
  );
}

// The frame around every page: skip link, rail or bottom bar, what is running, banners, and <main>, which gets the focus
// when the address changes. Follows the server for as long as somebody is signed in.
import { useEffect, useRef, type ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { follow, forget, useLink } from '../api/live';
import { useSeconds } from '../parts/time';
import { Brand } from '../parts/brand';
import { Icon } from '../parts/icon';
import { t } from '../words';
import { duration } from '../words/format';
import { Account } from './account';
import { Banners } from './banners';
import { Keys } from './keys';
import { isAt, PLACES, type Place } from './places';
import { Strip } from './strip';

export function Frame({ children }: { children: ReactNode }) {
  const [location] = useLocation();
  const main = useRef<HTMLElement>(null);
  const first = useRef(location);
  const back = useRef(false);

  useEffect(() => {
    const stop = follow();
    const went = () => (back.current = true);
    window.addEventListener('popstate', went);
    return () => {
      stop();
      forget();
      window.removeEventListener('popstate', went);
    };
  }, []);

  // Not when the page is opened: the browser has put the focus where it belongs.
  useEffect(() => {
    if (first.current === location) return;
    first.current = '';
    main.current?.focus({ preventScroll: true });
    if (!back.current) window.scrollTo(0, 0);
    back.current = false;
  }, [location]);

  return (
    <div className="shell">
      <a
        className="skip button"
        href="#main"
        onClick={(event) => {
          // <base> would make it another address.
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {t('shell.skip')}
      </a>
      <header className="rail">
        <Link className="brand" to="/">
          <Brand />
        </Link>
        <nav aria-label={t('shell.main')}>
          <ul>
            {PLACES.map((place) => (
              <li key={place.to}>
                <PlaceLink place={place} location={location} />
              </li>
            ))}
          </ul>
        </nav>
        <div className="foot">
          <Age />
          <Account />
        </div>
      </header>
      <div className="body">
        <Strip />
        <main id="main" ref={main} tabIndex={-1}>
          <Banners />
          {children}
        </main>
      </div>
      <Bar location={location} />
      <Keys />
    </div>
  );
}

/** How old what is shown can be. */
export function Age() {
  const link = useLink();
  const now = useSeconds(link.state !== 'live');
  const age = Math.max(0, now - link.heard);
  const state = link.state === 'offline' ? 'offline' : link.state === 'polling' && age > 10_000 ? 'old' : 'live';
  const text = state === 'old' ? t('shell.age.old', { age: duration(age) }) : t(`shell.age.${state}`);
  return (
    <p className="age" data-state={state}>
      {text}
    </p>
  );
}

function PlaceLink({ place, location }: { place: Place; location: string }) {
  return (
    <Link to={place.to} aria-current={isAt(location, place.to) ? 'page' : undefined}>
      <Icon name={place.icon} />
      {t(place.name)}
    </Link>
  );
}

function Bar({ location }: { location: string }) {
  const shown = PLACES.filter((place) => place.bar);
  const elsewhere = !shown.some((place) => isAt(location, place.to));
  return (
    <nav className="bar" aria-label={t('shell.main')}>
      <ul>
        {shown.map((place) => (
          <li key={place.to}>
            <PlaceLink place={place} location={location} />
          </li>
        ))}
        <li>
          <Link to="/more" aria-current={elsewhere ? 'page' : undefined}>
            <Icon name="more" />
            {t('page.more')}
          </Link>
        </li>
      </ul>
    </nav>
  );
}

// On a narrow page: every place there is, and what the rail has at its foot.
import { Link } from 'wouter';
import { Icon } from '../parts/icon';
import { Account } from '../shell/account';
import { Age } from '../shell/frame';
import { Page } from '../shell/page';
import { PLACES } from '../shell/places';
import { t } from '../words';

export function More() {
  return (
    <Page title={t('page.more')}>
      <nav aria-label={t('page.more')}>
        <ul className="card more">
          {PLACES.map((place) => (
            <li key={place.to}>
              <Link to={place.to}>
                <Icon name={place.icon} />
                {t(place.name)}
              </Link>
            </li>
          ))}
          <li>
            <Link to="/profile">
              <Icon name="user" />
              {t('page.profile')}
            </Link>
          </li>
        </ul>
      </nav>
      <div className="row">
        <Account />
        <Age />
      </div>
    </Page>
  );
}

// Any address that is none of ours.
import { ButtonLink } from '../parts/button';
import { Empty } from '../parts/state';
import { Page } from '../shell/page';
import { t } from '../words';

export function NotFound() {
  return (
    <Page title={t('page.not_found')}>
      <Empty action={<ButtonLink to="/">{t('error.to_overview')}</ButtonLink>}>{t('error.missing')}</Empty>
    </Page>
  );
}

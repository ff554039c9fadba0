// The overview's button that backs everything up, and a menu beside it to choose plans first. For which it did not work is
// told where plans are chosen, with those still chosen.
import { lazy, Suspense, useState } from 'react';
import { useMay, usePlansAct } from '../api/queries';
import { Button } from '../parts/button';
import { Menu } from '../parts/menu';
import { toast } from '../parts/toast';
import { t } from '../words';

const Choose = lazy(() => import('./back-up-choose').then((module) => ({ default: module.ChoosePlans })));

/** `total` is how many plans there are. */
export function BackUpSeveral({ total }: { total: number }) {
  const several = usePlansAct();
  const may = useMay();
  const [choosing, choose] = useState(false);
  if (!may.change) return null;
  const back = (plans: string[] | 'all') =>
    several.mutate(
      { act: 'run', plans },
      {
        onSuccess: ({ done, failed }) => {
          if (done.length > 0) toast(t('overview.started', { n: done.length }), { icon: 'play' });
          choose(failed.length > 0);
        },
        onError: (error) => toast(error.message, { icon: 'warning' }),
      },
    );
  const all = () => back('all');
  return (
    <>
      <div className="split">
        <Button look="primary" icon="play" busy={several.isPending} onClick={all}>
          {t('overview.back_up_all')}
        </Button>
        {total > 1 && (
          <Menu
            label={t('overview.back_up.menu')}
            icon="open"
            look="primary"
            items={[
              { label: t('overview.back_up.all', { n: total }), icon: 'play', act: all },
              { label: t('overview.back_up.choose'), icon: 'list', act: () => choose(true) },
            ]}
          />
        )}
      </div>
      {choosing && (
        <Suspense>
          <Choose failed={several.data?.failed ?? []} busy={several.isPending} onBackUp={back} onClose={() => choose(false)} />
        </Suspense>
      )}
    </>
  );
}

// The overview's button that backs everything up, and a menu beside it to choose plans first. For which it did not work is
// told where plans are chosen, with those still chosen.
import { lazy, Suspense, useState } from 'react';
import { useCards, useMay, usePlansAct, type Overview } from '../api/queries';
import { Button } from '../parts/button';
import { Menu } from '../parts/menu';
import { toast } from '../parts/toast';
import { t } from '../words';

const Choose = lazy(() => import('./back-up-choose').then((module) => ({ default: module.ChoosePlans })));

export function BackUpSeveral({ data }: { data: Overview }) {
  const several = usePlansAct();
  const may = useMay();
  const [choosing, choose] = useState(false);
  const total = Object.values(data.counts).reduce((sum, count) => sum + count, 0);
  const shown = data.plans.filter((plan) => !plan.built_in);
  // The first page tells of some plans; all of them are asked for where there are more.
  const more = useCards(choosing || total > shown.length).data?.plans;
  const own = more?.filter((plan) => !plan.built_in) ?? shown;
  if (!may.change) return null;
  const back = (plans: string[]) =>
    several.mutate(
      { act: 'run', plans },
      {
        onSuccess: ({ done, failed }) => {
          if (done.length > 0) toast(t('overview.started', { n: done.length }), { icon: 'play' });
          choose(failed.length > 0);
        },
      },
    );
  const all = () => back(own.map((plan) => plan.name));
  return (
    <>
      <div className="split">
        <Button look="primary" icon="play" busy={several.isPending || own.length < total} onClick={all}>
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
          <Choose plans={own} failed={several.data?.failed ?? []} busy={several.isPending} onBackUp={back} onClose={() => choose(false)} />
        </Suspense>
      )}
    </>
  );
}

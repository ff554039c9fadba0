// What is done to several plans at once, from the bar below their table. What the server refuses for one of them (a plan of
// recoup.toml is not paused here) is told of that one, and stays chosen.
import { usePlansAct, type Card, type PlansAct } from '../api/queries';
import { ChosenBar } from '../parts/chosen';
import { titleOf } from '../parts/state';
import { toast } from '../parts/toast';
import { t } from '../words';

const ICONS = { run: 'play', pause: 'pause', resume: 'play' } as const;

/** `onDone` is told which are still chosen. */
export function PlansChosen({ chosen, onDone }: { chosen: Card[]; onDone: (left: string[]) => void }) {
  const several = usePlansAct();
  // The bar may be gone by then, so what does not work is told in the corner.
  const again = (kind: PlansAct, plans: string[]) =>
    void several.mutateAsync({ act: kind, plans }).then(({ failed }) => failed.forEach(({ plan, error }) => toast(`${plan}: ${titleOf(error)}`, { icon: 'warning' })));
  const names = (of: Card[]) => of.map((plan) => plan.name);
  const act = (kind: PlansAct, plans: string[]) =>
    several.mutate(
      { act: kind, plans },
      {
        onSuccess: ({ done, failed }) => {
          const n = done.length;
          const back = kind === 'pause' ? 'resume' : kind === 'resume' ? 'pause' : undefined;
          const undo = back && { label: t('word.undo'), act: () => again(back, done) };
          if (n > 0) toast(kind === 'run' ? t('overview.started', { n }) : t(`plans.done.${kind}`, { n }), { icon: ICONS[kind], ...(undo && { action: undo }) });
          onDone(failed.map(({ plan }) => plan));
        },
      },
    );
  const scheduled = chosen.filter((plan) => plan.schedule !== null);
  const acts = [
    { act: 'run' as const, label: t('plan.back_up_now'), plans: names(chosen) },
    { act: 'pause' as const, label: t('plan.pause'), plans: names(scheduled.filter((plan) => plan.enabled)) },
    { act: 'resume' as const, label: t('plan.resume'), plans: names(scheduled.filter((plan) => !plan.enabled)) },
  ];
  const failed = several.data?.failed ?? [];
  return (
    <ChosenBar
      label={t('plans.bar')}
      count={t('plans.chosen', { n: chosen.length })}
      acts={acts.map(({ act: kind, label, plans }) => ({ label, icon: ICONS[kind], disabled: plans.length === 0, act: () => act(kind, plans) }))}
      busy={several.isPending}
      failed={failed.length > 0 && { title: t('plans.failed', { n: failed.length }), lines: failed.map(({ plan, error }) => `${plan}: ${titleOf(error)}`) }}
      onNone={() => onDone([])}
    />
  );
}

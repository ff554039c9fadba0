// What can be done with one plan, in a menu: of its row, its card and its own page. A plan that is declared in recoup.toml
// is paused and changed there, so its menu does not offer it.
import { useChangePlan, useMay, useStart, type Card } from '../api/queries';
import { ButtonLink } from '../parts/button';
import { Menu } from '../parts/menu';
import { toast } from '../parts/toast';
import { t } from '../words';
import { pathOf } from './plan-card';

/** The item that pauses a plan, or lets it run again, where its schedule can be switched here; undone at a press. */
export function useSwitch() {
  const change = useChangePlan();
  const turn = (name: string, enabled: boolean): void =>
    change.mutate(
      { name, patch: { enabled } },
      {
        onSuccess: () =>
          toast(t(enabled ? 'plan.resumed' : 'plan.paused', { plan: name }), {
            icon: enabled ? 'play' : 'pause',
            action: { label: t('word.undo'), act: () => turn(name, !enabled) },
          }),
        onError: (error) => toast(error.message, { icon: 'warning' }),
      },
    );
  return (plan: Card) =>
    !plan.read_only && plan.schedule
      ? [{ label: t(plan.enabled ? 'plan.pause' : 'plan.resume'), icon: plan.enabled ? ('pause' as const) : ('play' as const), act: () => turn(plan.name, !plan.enabled) }]
      : [];
}

export function PlanMenu({ plan }: { plan: Card }) {
  const start = useStart();
  const may = useMay();
  const switching = useSwitch();
  const { name, latest } = plan;
  const begin = (verify: boolean) =>
    start.mutate(verify ? { plan: name, verify: 'restore' } : { plan: name }, {
      onSuccess: () => toast(t(verify ? 'run.doing.verify' : 'run.doing.backup', { plan: name }), { icon: 'play' }),
      onError: (error) => toast(error.message, { icon: 'warning' }),
    });
  if (!may.change) return <ButtonLink to={pathOf(name)} icon="more" look="plain" label={t('word.actions', { name })} />;
  return (
    <Menu
      label={t('word.actions', { name })}
      items={[
        { label: t('plan.open'), icon: 'shield', to: pathOf(name) },
        { label: t('plan.back_up_now'), icon: 'play', act: () => begin(false) },
        ...(latest
          ? [
              { label: t('plan.test_now'), icon: 'check' as const, act: () => begin(true) },
              { label: t('plan.restore_latest'), icon: 'restore' as const, to: `/restore/${encodeURIComponent(latest.id)}` },
            ]
          : []),
        ...(plan.read_only ? [] : [{ label: t('editor.edit'), icon: 'settings' as const, to: `${pathOf(name)}/edit` }]),
        ...switching(plan),
      ]}
    />
  );
}

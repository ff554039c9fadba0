// The settings of a plan as they are, to read: the schedule with its next three runs as the server computes them, what is
// kept, where, and the document itself.
import { useNextRuns, useZone, type Card, type Plan } from '../api/queries';
import { Answer } from '../parts/state';
import { t } from '../words';
import { soon } from '../words/format';
import { places } from './plan-card';
import { ReadOnly } from './plan';

export function PlanSettings({ plan, card }: { plan: Plan; card: Card | undefined }) {
  const zone = useZone();
  const own = card?.zone ?? zone;
  const next = useNextRuns(plan.name, 3);
  const document = plan.plan as Record<string, unknown>;
  const retention = document.retention as Record<string, unknown> | undefined;
  const notify = document.notify as string[] | undefined;
  return (
    <>
      <ReadOnly card={card} />
      <section className="card">
        <dl className="facts">
          <dt>{t('plan.settings.schedule')}</dt>
          <dd>{card?.schedule ?? t('plan.by_hand')}</dd>
          {card?.schedule && (
            <>
              <dt>{t('plan.settings.zone')}</dt>
              <dd>{own}</dd>
              <dt>{t('plan.settings.next_three')}</dt>
              <dd>
                <Answer of={next} lines={3}>
                  {(known) => (
                    <ul>
                      {known.next.map((at) => (
                        <li key={at}>
                          <time dateTime={at}>{soon(at, own)}</time>
                        </li>
                      ))}
                    </ul>
                  )}
                </Answer>
              </dd>
            </>
          )}
          {card?.format && (
            <>
              <dt>{t('plan.settings.format')}</dt>
              <dd>{t(`backup.format.${card.format}`)}</dd>
            </>
          )}
          <dt>{t('plan.settings.retention')}</dt>
          <dd>
            {retention
              ? Object.entries(retention)
                  .map(([key, value]) => `${key} ${String(value)}`)
                  .join(', ')
              : t('plan.settings.keeps_all')}
          </dd>
          <dt>{t('plan.settings.destinations')}</dt>
          <dd>{card && places(card)}</dd>
          {notify && (
            <>
              <dt>{t('plan.settings.notify')}</dt>
              <dd>{notify.join(', ') || t('plan.settings.nobody')}</dd>
            </>
          )}
        </dl>
        <details>
          <summary>{t('plan.settings.document')}</summary>
          <pre className="log" tabIndex={0} aria-label={t('plan.settings.document')}>
            {JSON.stringify(document, null, 2)}
          </pre>
        </details>
      </section>
    </>
  );
}

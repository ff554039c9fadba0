// A state in a word: always an icon, the word and a colour, never the colour alone. Which look a state has is said here
// once, for runs, plans and backups.
import type { Backup, Card, Run } from '../api/queries';
import { t } from '../words';
import { Icon, type IconName } from './icon';

export type Look = 'good' | 'warning' | 'bad' | 'live' | 'plain';

export function Pill({ look, icon, children }: { look: Look; icon: IconName; children: string }) {
  return (
    <span className={look === 'plain' ? 'pill' : `pill ${look}`}>
      <Icon name={icon} />
      {children}
    </span>
  );
}

/** What comes from the file and is changed there. */
export const FilePill = () => (
  <Pill look="plain" icon="lock">
    recoup.toml
  </Pill>
);

const PLANS: Record<Card['state'], [Look, IconName]> = {
  protected: ['good', 'shield'],
  at_risk: ['warning', 'warning'],
  failing: ['bad', 'cross'],
  paused: ['plain', 'pause'],
  never_run: ['plain', 'circle'],
};

export function PlanPill({ state }: { state: Card['state'] }) {
  const [look, icon] = PLANS[state];
  return (
    <Pill look={look} icon={icon}>
      {t(`plan.state.${state}`)}
    </Pill>
  );
}

const RUNS = {
  queued: ['plain', 'clock'],
  running: ['live', 'play'],
  good: ['good', 'check'],
  warnings: ['warning', 'warning'],
  failed: ['bad', 'cross'],
  cancelled: ['plain', 'stop'],
  interrupted: ['bad', 'half'],
  missed: ['warning', 'skip'],
} as const satisfies Record<string, [Look, IconName]>;

type RunState = keyof typeof RUNS;

/** Queued, running, or how it ended. */
export const stateOf = (run: Pick<Run, 'state' | 'outcome'>): RunState =>
  run.state === 'done' ? (run.outcome ?? 'interrupted') : run.state;

export function RunPill({ run }: { run: Pick<Run, 'state' | 'outcome'> }) {
  const state = stateOf(run);
  const [look, icon] = RUNS[state];
  return (
    <Pill look={look} icon={icon}>
      {t(`run.state.${state}`)}
    </Pill>
  );
}

/** What is proven of a backup, and whether it is damaged or protected. */
export function BackupPills({ backup }: { backup: Pick<Backup, 'verified' | 'copies' | 'protected'> }) {
  const damaged = backup.copies.some((copy) => copy.damaged);
  return (
    <span className="pills">
      {damaged && (
        <Pill look="bad" icon="cross">
          {t('backup.damaged')}
        </Pill>
      )}
      {backup.verified ? (
        <Pill look="good" icon="check">
          {t(`backup.level.${backup.verified}`)}
        </Pill>
      ) : (
        <Pill look="warning" icon="circle">
          {t('backup.unverified')}
        </Pill>
      )}
      {backup.protected && (
        <Pill look="plain" icon="lock">
          {t('backup.protected')}
        </Pill>
      )}
    </span>
  );
}

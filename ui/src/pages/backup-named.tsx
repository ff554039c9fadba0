// The backups in which something has a name. Nothing is indexed: the server opens one backup after the other, from the newest
// on, so this says how far it came, what it could not look into, and goes on by a press.
import { Link } from 'wouter';
import type { BackupFilter } from '../api/backups';
import { useNamed } from '../api/browse';
import type { Schemas } from '../api/client';
import { Button } from '../parts/button';
import { Icon } from '../parts/icon';
import { Progress } from '../parts/progress';
import { Answer, Empty, ErrorCard, Note } from '../parts/state';
import { Table } from '../parts/table';
import { Time } from '../parts/time';
import { t } from '../words';
import { backupPath, filesPath } from './backup-path';
import { pathOf } from './plan-card';

type Found = Schemas['NamedBackup'];
type Match = Schemas['MatchView'];
type Passed = Schemas['PassedBackup'];

/** Backups that are named of those that could not be looked into. */
const NAMED = 3;

export function BackupsNamed({ name, filter }: { name: string; filter: BackupFilter }) {
  const search = useNamed(name, filter);
  if (search.isPending) {
    return (
      <div role="status">
        <p>{t('named.busy')}</p>
        <Progress value={undefined} label={t('named.busy')} />
      </div>
    );
  }
  return (
    <Answer of={search}>
      {({ pages }) => {
        const found = pages.flatMap((page) => page.items);
        const looked = pages.reduce((sum, page) => sum + page.looked, 0);
        return (
          <>
            {found.length === 0 ? (
              <Empty>{t(search.hasNextPage ? 'named.none_yet' : 'named.none', { name })}</Empty>
            ) : (
              <Table
                caption={t('named.title', { name })}
                rows={found}
                id={(one) => one.backup.id}
                columns={[
                  {
                    name: t('backup.made'),
                    cell: ({ backup }) => (
                      <Link to={backupPath(backup.id)}>
                        <Time at={backup.created_at} exact />
                        <span className="hidden"> {backup.plan}</span>
                      </Link>
                    ),
                  },
                  { name: t('backups.plan'), cell: ({ backup }) => <Link to={pathOf(backup.plan)}>{backup.plan}</Link> },
                  { name: t('named.found'), cell: (one) => <Matches found={one} name={name} /> },
                ]}
              />
            )}
            {reasons(pages.flatMap((page) => page.passed)).map(([why, passed]) => (
              <Note key={why} look="warning">
                <strong>{t('named.passed', { n: passed.length })}</strong>
                <p>{why}</p>
                <ul className="row">
                  {passed.slice(0, NAMED).map((one) => (
                    <li key={one.backup}>
                      <Link to={filesPath(one.backup)}>
                        {one.plan}, <Time at={one.created_at} exact />
                      </Link>
                    </li>
                  ))}
                </ul>
              </Note>
            ))}
            <div className="spread">
              <p className="small quiet" role="status">
                {t(search.hasNextPage ? 'named.looked' : 'named.looked_all', { n: looked })}
              </p>
              {search.hasNextPage && (
                <Button busy={search.isFetchingNextPage} onClick={() => void search.fetchNextPage()}>
                  {t('named.older')}
                </Button>
              )}
            </div>
            {search.isFetchNextPageError && <ErrorCard error={search.error} />}
          </>
        );
      }}
    </Answer>
  );
}

/** Backups that were passed for the same reason stand together. */
function reasons(passed: Passed[]): [string, Passed[]][] {
  const all = new Map<string, Passed[]>();
  for (const one of passed) {
    // A sentence that names the backup is told once for all of its code.
    const same = [...all].find(([, others]) => others[0]?.code === one.code && one.code !== 'failed');
    const key = same?.[0] ?? one.text;
    all.set(key, [...(all.get(key) ?? []), one]);
  }
  return [...all];
}

function Matches({ found, name }: { found: Found; name: string }) {
  const { backup, matches, total } = found;
  const inside = matches.findLast((match) => ['file', 'directory', 'link'].includes(match.kind));
  return (
    <ul className="matches">
      {matches.map((match) => (
        <li key={`${match.kind} ${match.part} ${match.path}`}>
          <Link className="row" to={filesPath(backup.id, whereOf(match))}>
            <Icon name={match.kind === 'file' || match.kind === 'link' ? 'file' : match.kind === 'directory' ? 'folder' : 'box'} />
            <bdi>{nameOf(match)}</bdi>
          </Link>
        </li>
      ))}
      {total > matches.length && (
        <li>
          <Link to={filesPath(backup.id, inside && { part: inside.part, q: name })}>{t('named.more', { n: total - matches.length })}</Link>
        </li>
      )}
    </ul>
  );
}

const nameOf = ({ kind, part, path }: Match): string => (kind === 'part' ? part : kind === 'table' ? `${part}: ${path}` : kind === 'directory' ? `${part}/${path}/` : `${part}/${path}`);

/** A link leads nowhere; where it lies is shown. */
function whereOf({ kind, part, path }: Match): Record<string, string> {
  const above = path.split('/').slice(0, -1).join('/');
  if (kind === 'part') return { part };
  if (kind === 'table') return { part, table: path };
  if (kind === 'directory') return { part, path };
  return kind === 'file' ? { part, path: above, file: path } : { part, path: above };
}

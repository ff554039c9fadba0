// What was deleted from a folder and waits there for a day: until when, and a button that puts it back. A destination that
// does not answer says so beside what the others have.
import { useState } from 'react';
import { Link } from 'wouter';
import { problemAt, usePutBack, useTrash, type Trashed } from '../api/trash';
import { useMay, useZone } from '../api/queries';
import { Button, ButtonLink } from '../parts/button';
import { Answer, Empty, ErrorCard, Note } from '../parts/state';
import { Table } from '../parts/table';
import { Text } from '../parts/text';
import { Time } from '../parts/time';
import { Page } from '../shell/page';
import { t } from '../words';
import { clock, list, size } from '../words/format';
import { backupPath } from './backup-path';

export function Trash() {
  const trash = useTrash();
  const pages = trash.data?.pages;
  const first = pages?.[0];
  const rows = pages?.flatMap((page) => page.items);
  return (
    <Page
      title={t('trash.title')}
      answer={rows && (rows.length > 0 ? t('trash.answer') : t('trash.answer.none'))}
      actions={
        <ButtonLink to="/backups" icon="box">
          {t('page.backups')}
        </ButtonLink>
      }
    >
      {first?.failed.map((failed) => (
        <section key={failed.destination} className="stack tight" aria-label={failed.destination}>
          <p>{t('trash.unseen', { name: failed.destination })}</p>
          <ErrorCard error={problemAt(failed)} retry={() => void trash.refetch()} />
        </section>
      ))}
      <section className="card">
        <Answer of={{ data: rows, error: trash.error, refetch: trash.refetch }} lines={4}>
          {(all) => (
            <>
              <Content all={all} />
              {trash.hasNextPage && (
                <div className="buttons">
                  <Button busy={trash.isFetchingNextPage} onClick={() => void trash.fetchNextPage()}>
                    {t('word.show_older')}
                  </Button>
                </div>
              )}
              {trash.isFetchNextPageError && <ErrorCard error={trash.error} />}
            </>
          )}
        </Answer>
        {first && first.without.length > 0 && <p className="small quiet">{t('trash.without', { names: list(first.without) })}</p>}
      </section>
    </Page>
  );
}

/** What was said of the last one that was put back stays until the next. */
function Content({ all }: { all: Trashed[] }) {
  const back = usePutBack();
  const may = useMay();
  const zone = useZone();
  const [wanted, want] = useState<Trashed>();
  const put = (one: Trashed) => {
    if (back.isPending) return;
    want(one);
    back.mutate(one);
  };
  const nameOf = (one: Trashed) => `${one.plan}, ${one.created_at ? clock(one.created_at, zone) : one.name}`;
  return (
    <>
      {back.error && wanted && (
        <>
          <p>{t('trash.not_back', { name: nameOf(wanted) })}</p>
          <ErrorCard error={back.error} />
        </>
      )}
      {back.data && wanted && (
        <Note look="good" live>
          <p>
            <Text k="trash.back" values={{ names: list(back.data.destinations) }} parts={{ name: <Link to={backupPath(back.data.id)}>{nameOf(wanted)}</Link> }} />
          </p>
        </Note>
      )}
      {back.data?.failed.map((failed) => (
        <div key={failed.destination} className="stack tight">
          <p>{t('trash.not_at', { name: failed.destination })}</p>
          <ErrorCard error={problemAt(failed)} />
        </div>
      ))}
      {all.length === 0 ? (
        <Empty>{t('trash.empty')}</Empty>
      ) : (
        <Table
          caption={t('trash.title')}
          rows={all}
          id={(one) => one.name}
          columns={[
            { name: t('backup.made'), cell: (one: Trashed) => (one.created_at ? <Made one={one} at={one.created_at} /> : one.name) },
            { name: t('backups.plan'), cell: (one) => one.plan },
            { name: t('run.cause'), cell: (one) => (one.kind ? (one.label ? `${t(`backup.kind.${one.kind}`)}: ${one.label}` : t(`backup.kind.${one.kind}`)) : t('trash.unreadable')) },
            { name: t('trash.deleted'), cell: (one) => <Time at={newest(one.copies.map((copy) => copy.deleted_at))} /> },
            { name: t('trash.until'), cell: (one) => <Until one={one} zone={zone} /> },
            { name: t('plan.size'), cell: (one) => <span className="nowrap">{size(one.copies.reduce((sum, copy) => sum + copy.bytes, 0))}</span>, end: true },
          ]}
          {...(may.change && {
            act: (one: Trashed) => (
              <Button icon="restore" busy={back.isPending && wanted?.name === one.name} onClick={() => put(one)}>
                {t('trash.put_back')}
                <span className="hidden"> {nameOf(one)}</span>
              </Button>
            ),
            actName: t('trash.put_back'),
            actWords: true,
          })}
        />
      )}
    </>
  );
}

const newest = (instants: string[]): string => instants.toSorted().at(-1) ?? '';

function Made({ one, at }: { one: Trashed; at: string }) {
  return (
    <>
      <Time at={at} exact />
      <span className="hidden"> {one.plan}</span>
    </>
  );
}

/** One moment where all copies go together, one for each destination where they do not. */
function Until({ one, zone }: { one: Trashed; zone: string }) {
  const moments = new Set(one.copies.map((copy) => copy.until));
  const [only] = moments;
  if (moments.size === 1 && only) {
    return (
      <>
        <span className="nowrap">{clock(only, zone)}</span> <span className="quiet">({list(one.copies.map((copy) => copy.destination))})</span>
      </>
    );
  }
  return one.copies.map((copy) => (
    <div key={copy.destination}>
      <span className="nowrap">{clock(copy.until, zone)}</span> <span className="quiet">({copy.destination})</span>
    </div>
  ));
}

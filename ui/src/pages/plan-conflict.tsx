// Two people changed the same plan: what differs, and whose it shall be.
import { usePlan, type Plan } from '../api/queries';
import type { Document } from '../api/plans';
import { Button } from '../parts/button';
import { Dialog } from '../parts/dialog';
import { Answer } from '../parts/state';
import { Table } from '../parts/table';
import { Text } from '../parts/text';
import { Time } from '../parts/time';
import { t } from '../words';
import { differing } from './plan-draft';

type Props = { name: string; yours: Document; onClose: () => void; onOverwrite: () => void; onReload: (theirs: Plan) => void };

export function Conflict({ name, yours, onClose, onOverwrite, onReload }: Props) {
  const plan = usePlan(name);
  return (
    <Dialog open title={t('editor.conflict.title')} onClose={onClose}>
      <Answer of={plan}>
        {(known) => {
          const theirs = known.plan as Document;
          const word = (value: unknown) => <span className="mono">{value === undefined ? '–' : JSON.stringify(value)}</span>;
          return (
            <>
              <p>
                <Text k="editor.conflict.text" parts={{ age: <Time at={known.updated_at} /> }} />
              </p>
              <Table
                caption={t('editor.conflict.title')}
                rows={differing(theirs, yours)}
                id={(key) => key}
                columns={[
                  { name: t('editor.conflict.key'), cell: (key) => key },
                  { name: t('editor.conflict.theirs'), cell: (key) => word(theirs[key]) },
                  { name: t('editor.conflict.yours'), cell: (key) => word(yours[key]) },
                ]}
              />
              <div className="buttons">
                <Button onClick={onClose}>{t('word.cancel')}</Button>
                <Button onClick={() => onReload(known)}>{t('editor.conflict.reload')}</Button>
                <Button look="danger" onClick={onOverwrite}>
                  {t('editor.conflict.overwrite')}
                </Button>
              </div>
            </>
          );
        }}
      </Answer>
    </Dialog>
  );
}

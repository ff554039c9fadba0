// Why a run failed, as the server keeps it: a document whose shape is written down here.
import type { Run } from '../api/queries';

export type Failure = { code: string; message: string; hint?: string | null; detail?: string | null };

export const failureOf = (run: Run): Failure | undefined => (run.error ?? undefined) as Failure | undefined;

-- What is asked often is found by an index, whatever is asked beside it; and an interrupted run is repeated once.
DROP INDEX plan_due;
CREATE INDEX plan_due ON plan (enabled, next_due, id);
-- What was interrupted is repeated once, whoever notices.
CREATE UNIQUE INDEX run_again ON run (retry_of);
CREATE INDEX run_interrupted ON run (finished_at) WHERE outcome = 'interrupted';
-- The few that are open, among the many of a plan that ended.
CREATE INDEX run_open ON run (plan) WHERE state IN ('queued', 'running');
CREATE INDEX run_ends ON run (kind, outcome) WHERE state = 'done';
CREATE INDEX backup_of_kind ON backup (kind, created_at, id, destination);
CREATE INDEX backup_protected ON backup (created_at, id, destination) WHERE protected = 1;
-- People name a backup by the last six characters of its id.
CREATE INDEX backup_short ON backup (substr(id, 21));
CREATE INDEX audit_account ON audit (account, seq);
CREATE INDEX audit_at ON audit (at, seq);

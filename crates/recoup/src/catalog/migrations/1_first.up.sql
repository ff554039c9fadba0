-- Only BIGINT and TEXT, so that one text serves SQLite and PostgreSQL. Times are unix milliseconds, truth is 0 or 1.
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    password TEXT,
    disabled BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);
CREATE TABLE login (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    proven_at BIGINT NOT NULL
);
CREATE INDEX login_account ON login (account);
CREATE TABLE token (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    scope TEXT NOT NULL CHECK (scope IN ('read', 'run', 'write', 'admin')),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX token_account ON token (account);
CREATE TABLE plan (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL UNIQUE,
    origin TEXT NOT NULL CHECK (origin IN ('catalog', 'file', 'built_in')),
    body TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    next_nominal BIGINT,
    next_due BIGINT,
    last_nominal BIGINT,
    last_attempt BIGINT,
    last_success BIGINT,
    last_verified BIGINT,
    last_proven BIGINT,
    last_outcome TEXT,
    overdue_at BIGINT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX plan_due ON plan (enabled, next_due);
CREATE INDEX plan_owner ON plan (owner, name);
CREATE TABLE run (
    id TEXT PRIMARY KEY,
    plan TEXT NOT NULL,
    plan_name TEXT NOT NULL,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    cause TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done')),
    outcome TEXT,
    occurrence TEXT,
    missed BIGINT NOT NULL DEFAULT 0,
    attempt BIGINT NOT NULL DEFAULT 1,
    retry_of TEXT,
    resource TEXT NOT NULL,
    request TEXT NOT NULL,
    result TEXT,
    error TEXT,
    progress TEXT,
    log TEXT NOT NULL DEFAULT '',
    cancel BIGINT NOT NULL DEFAULT 0,
    lease TEXT,
    beat BIGINT NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL,
    queued_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    UNIQUE (plan, occurrence)
);
-- What is worked on at one time is one run for each resource, whoever works.
CREATE UNIQUE INDEX run_alone ON run (resource) WHERE state = 'running';
CREATE INDEX run_due ON run (due_at, id) WHERE state = 'queued';
CREATE INDEX run_state ON run (state, id);
CREATE INDEX run_of_plan ON run (plan, id);
CREATE INDEX run_of_owner ON run (owner, id);
CREATE TABLE backup (
    id TEXT NOT NULL,
    destination TEXT NOT NULL,
    plan TEXT NOT NULL,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    format TEXT NOT NULL,
    label TEXT,
    created_at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    verified TEXT,
    verified_at BIGINT,
    protected BIGINT NOT NULL,
    damaged TEXT,
    PRIMARY KEY (id, destination)
);
CREATE INDEX backup_newest ON backup (created_at, id, destination);
CREATE INDEX backup_of_owner ON backup (owner, created_at, id, destination);
CREATE INDEX backup_of_plan ON backup (plan, created_at, id, destination);
CREATE INDEX backup_at ON backup (destination, plan);
CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    event TEXT NOT NULL,
    account TEXT,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    action TEXT NOT NULL,
    success BIGINT NOT NULL,
    details TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_event ON audit (event, seq);
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    plan TEXT NOT NULL,
    cause TEXT NOT NULL,
    notice TEXT NOT NULL,
    attempt BIGINT NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL,
    told_at BIGINT,
    given_up_at BIGINT,
    error TEXT
);
CREATE INDEX outbox_due ON outbox (told_at, given_up_at, due_at);
CREATE INDEX outbox_told ON outbox (channel, plan, told_at);
-- Small things that are forgotten after a while: answers to repeated requests, previews, uploads.
CREATE TABLE kept (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    body TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (kind, id, owner)
);
CREATE INDEX kept_expires ON kept (expires_at);
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Destinations and channels that were added beside those of recoup.toml. The body is sealed: it holds their credentials.
CREATE TABLE added (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    version BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);
-- What happened on each day.
CREATE INDEX run_of_day ON run (due_at) WHERE state = 'done';
-- How full each destination was at the end of each day (days since 1970, UTC), so that growth can be told.
CREATE TABLE stored (
    destination TEXT NOT NULL,
    day BIGINT NOT NULL,
    backups BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    free BIGINT,
    PRIMARY KEY (destination, day)
);

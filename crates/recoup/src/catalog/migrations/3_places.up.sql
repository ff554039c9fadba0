-- How each destination of each plan stands: since when it belongs to the plan, what went wrong there last.
CREATE TABLE place (
    plan TEXT NOT NULL,
    destination TEXT NOT NULL,
    since BIGINT NOT NULL,
    error TEXT,
    error_at BIGINT,
    good_at BIGINT,
    PRIMARY KEY (plan, destination)
);
-- What was made for places on the machine only, and somebody else's files by their key.
ALTER TABLE backup ADD COLUMN local_only BIGINT NOT NULL DEFAULT 0;
ALTER TABLE backup ADD COLUMN object TEXT;

-- A refresh writes one row and no index.

-- The refresh UUIDs of `drf_pyjwt` now contain session and generation in encrypted form, so they are no longer stored. UUIDs
-- issued before this change are rejected, and their users sign in again.
DROP TABLE refresh_hashes;

-- The day on which a session expires (Unix time / 86400), for the cleanup. A refresh moves the expiry, but at most once a day
-- to another day. An index on the expiry itself was written by every refresh.
ALTER TABLE sessions ADD COLUMN expires_day INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET expires_day = expires_at / 86400;
DROP INDEX sessions_by_expiry;
CREATE INDEX sessions_by_expiry ON sessions (expires_day);

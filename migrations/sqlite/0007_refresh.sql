-- A refresh changes one row and no index.

-- The refresh UUIDs of `drf_pyjwt` name session and generation themselves, enciphered: nothing of them is stored any more.
-- Those handed out before this open nothing: their owners sign in once.
DROP TABLE refresh_hashes;

-- The day of a session's end (Unix seconds / 86400), for the sweep. A refresh moves the end, but on most days once to
-- another day: an index on the end itself was rewritten by each.
ALTER TABLE sessions ADD COLUMN expires_day INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET expires_day = expires_at / 86400;
DROP INDEX sessions_by_expiry;
CREATE INDEX sessions_by_expiry ON sessions (expires_day);

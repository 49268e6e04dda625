-- A user has at most 100 sessions that were not ended. The one that was not used for the longest time makes room for a new
-- one.

-- When the session was last opened, refreshed or renewed. A refresh writes it in the same row.
ALTER TABLE sessions ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET used_at = rotated_at;

DELETE FROM sessions WHERE id IN (SELECT id FROM
    (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY used_at DESC) AS position FROM sessions WHERE ended_at IS NULL)
    WHERE position > 100);

-- Sessions of an epoch before the epoch of their user have ended. Only needed if a user has more sessions than one write
-- can end.
ALTER TABLE users ADD COLUMN session_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;

-- A user's open sessions, newest first, without reading ended ones; also used when a user is deleted.
DROP INDEX sessions_by_user;
CREATE INDEX sessions_by_user ON sessions (user_id, ended_at, opened_at);

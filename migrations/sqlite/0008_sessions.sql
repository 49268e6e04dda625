-- The code, not the schema, owns the lists of allowed origins and end reasons, so that a new one needs no migration. A CHECK
-- cannot be removed from a table, so `sessions` is built again. Servers of earlier versions cannot use the new table.

CREATE TABLE sessions_new (
    id                   BLOB    NOT NULL CONSTRAINT sessions_pk PRIMARY KEY
                                 CONSTRAINT sessions_id_is_uuid CHECK (length(id) = 16),
    user_id              INTEGER NOT NULL CONSTRAINT sessions_user_fk REFERENCES users (id) ON DELETE CASCADE,
    -- What opened the session: the name of a dialect.
    opened_by            TEXT    NOT NULL CONSTRAINT sessions_opened_by_filled CHECK (opened_by <> ''),
    -- How often the refresh token was rotated. Tokens of generation good_from and later are valid.
    generation           INTEGER NOT NULL CONSTRAINT sessions_generation_range CHECK (generation BETWEEN 0 AND 4294967295),
    -- The first generation that no rotation has spent.
    good_from            INTEGER NOT NULL CONSTRAINT sessions_good_from_range CHECK (good_from BETWEEN 0 AND generation),
    opened_at            INTEGER NOT NULL,
    rotated_at           INTEGER NOT NULL,
    expires_at           INTEGER NOT NULL,
    -- The day of expires_at (Unix time / 86400), for the cleanup. A refresh rarely moves it to another day.
    expires_day          INTEGER NOT NULL,
    ended_at             INTEGER,
    end_reason           TEXT    CONSTRAINT sessions_end_reason_filled CHECK (end_reason <> ''),
    must_change_password INTEGER NOT NULL DEFAULT 0 CONSTRAINT sessions_must_change_flag CHECK (must_change_password IN (0, 1)),
    address              TEXT,
    -- The provider that authenticated the user; null if a password or an operator opened the session.
    provider             TEXT    CONSTRAINT sessions_provider_filled CHECK (provider <> ''),
    -- When the user authenticated.
    auth_time            INTEGER NOT NULL,
    -- How the user authenticated: the `amr` values of RFC 8176, separated by spaces. Null if that is unknown.
    amr                  TEXT    CONSTRAINT sessions_amr_filled CHECK (amr <> ''),
    CONSTRAINT sessions_end_has_reason CHECK ((ended_at IS NULL) = (end_reason IS NULL))
) STRICT, WITHOUT ROWID;

-- A session without a provider was opened with a password, or by an operator on the command line, which has no address.
INSERT INTO sessions_new (id, user_id, opened_by, generation, good_from, opened_at, rotated_at, expires_at, expires_day,
    ended_at, end_reason, must_change_password, address, provider, auth_time, amr)
SELECT id, user_id, dialect, generation, good_from, opened_at, rotated_at, expires_at, expires_at / 86400,
    ended_at, end_reason, must_change_password, address, provider, opened_at,
    CASE WHEN provider IS NULL AND address IS NOT NULL THEN 'pwd' END
FROM sessions;

DROP TABLE sessions;
ALTER TABLE sessions_new RENAME TO sessions;

-- A user's sessions, newest first; also used when a user is deleted.
CREATE INDEX sessions_by_user ON sessions (user_id, opened_at);
-- Lists the live sessions of an origin, and finds the oldest, whose keys must be kept. Its columns do not change while a
-- session lives, so only a sign-in and an end write it.
CREATE INDEX sessions_by_opening ON sessions (opened_by, opened_at) WHERE ended_at IS NULL;
-- Expired sessions, for the cleanup.
CREATE INDEX sessions_by_expiry ON sessions (expires_day);

-- The sessions of the admin zone.

CREATE TABLE admin_sessions (
    -- SHA-256 of the cookie's token, which has 256 random bits. The table is stored as an index (WITHOUT ROWID).
    hash       BLOB    NOT NULL CONSTRAINT admin_sessions_pk PRIMARY KEY
                       CONSTRAINT admin_sessions_hash_length CHECK (length(hash) = 32),
    user_id    INTEGER NOT NULL CONSTRAINT admin_sessions_user_fk REFERENCES users (id) ON DELETE CASCADE,
    opened_at  INTEGER NOT NULL,
    -- The last request of the session, with a precision of about one minute.
    seen_at    INTEGER NOT NULL,
    -- When the user last entered the password.
    proven_at  INTEGER NOT NULL,
    -- When the session expires without further requests; never later than its maximum lifetime.
    expires_at INTEGER NOT NULL,
    address    TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX admin_sessions_by_user ON admin_sessions (user_id);
CREATE INDEX admin_sessions_by_expiry ON admin_sessions (expires_at);

-- A user who is disabled or demoted, in whatever way, loses all admin sessions. They do not come back with the right.
CREATE TRIGGER users_leave_admin AFTER UPDATE OF is_active, is_superuser ON users
    WHEN new.is_active = 0 OR new.is_superuser = 0
BEGIN
    DELETE FROM admin_sessions WHERE user_id = new.id;
END;

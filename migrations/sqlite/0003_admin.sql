-- The admin zone: who is signed in to it.

CREATE TABLE admin_sessions (
    -- SHA-256 of the cookie's token, which has 256 random bits. The table is its own index.
    hash       BLOB    NOT NULL CONSTRAINT admin_sessions_pk PRIMARY KEY
                       CONSTRAINT admin_sessions_hash_length CHECK (length(hash) = 32),
    user_id    INTEGER NOT NULL CONSTRAINT admin_sessions_user_fk REFERENCES users (id) ON DELETE CASCADE,
    opened_at  INTEGER NOT NULL,
    -- When somebody was last seen in it, to the minute or so.
    seen_at    INTEGER NOT NULL,
    -- When the password was last given.
    proven_at  INTEGER NOT NULL,
    -- The end unless somebody is seen before; never later than the longest a session may live.
    expires_at INTEGER NOT NULL,
    address    TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX admin_sessions_by_user ON admin_sessions (user_id);
CREATE INDEX admin_sessions_by_expiry ON admin_sessions (expires_at);

-- Whoever loses the right to be there is out, whichever way the right was lost, and is not back in with it.
CREATE TRIGGER users_leave_admin AFTER UPDATE OF is_active, is_superuser ON users
    WHEN new.is_active = 0 OR new.is_superuser = 0
BEGIN
    DELETE FROM admin_sessions WHERE user_id = new.id;
END;

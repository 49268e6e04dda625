-- The first schema of Countersign.
--
-- Dates are Unix times in whole seconds. UUIDs and hashes are BLOBs of their exact length. Addresses are text
-- (`192.0.2.1`, `2001:db8::1`). Flags are 0 or 1. No secret is stored in plain text: passwords and reset codes are hashed,
-- e-mails are sealed, and refresh tokens are derived from the id and generation of a session.
-- The statements of a released file in this folder never change. A schema change is a new file.

CREATE TABLE users (
    -- The foreign key in other systems: assigned once, kept on import, never assigned again.
    id                   INTEGER NOT NULL CONSTRAINT users_pk PRIMARY KEY AUTOINCREMENT,
    -- The `sub` claim of tokens.
    sub                  BLOB    NOT NULL CONSTRAINT users_sub_unique UNIQUE
                                 CONSTRAINT users_sub_is_uuid CHECK (length(sub) = 16),
    -- The name as the user wrote it, and its normalised form, which is unique and used for look-ups.
    username             TEXT    NOT NULL,
    username_key         TEXT    NOT NULL CONSTRAINT users_username_key_unique UNIQUE
                                 CONSTRAINT users_username_key_filled CHECK (username_key <> ''),
    email                TEXT,
    email_key            TEXT    CONSTRAINT users_email_key_unique UNIQUE,
    email_verified       INTEGER NOT NULL DEFAULT 0 CONSTRAINT users_email_verified_flag CHECK (email_verified IN (0, 1)),
    first_name           TEXT    NOT NULL DEFAULT '',
    last_name            TEXT    NOT NULL DEFAULT '',
    -- A PHC string, or the format of an imported system; null if the account has no password.
    password_hash        TEXT,
    must_change_password INTEGER NOT NULL DEFAULT 0 CONSTRAINT users_must_change_flag CHECK (must_change_password IN (0, 1)),
    is_active            INTEGER NOT NULL DEFAULT 1 CONSTRAINT users_is_active_flag CHECK (is_active IN (0, 1)),
    is_staff             INTEGER NOT NULL DEFAULT 0 CONSTRAINT users_is_staff_flag CHECK (is_staff IN (0, 1)),
    is_superuser         INTEGER NOT NULL DEFAULT 0 CONSTRAINT users_is_superuser_flag CHECK (is_superuser IN (0, 1)),
    -- The user's own claims, a JSON object.
    claims               TEXT    NOT NULL DEFAULT '{}' CONSTRAINT users_claims_object CHECK (json_type(claims) IS 'object'),
    date_joined          INTEGER NOT NULL,
    last_login           INTEGER,
    CONSTRAINT users_email_has_key CHECK ((email IS NULL) = (email_key IS NULL))
) STRICT;

-- The most recent addresses that a user signed in from. They are exempt from the rate limit of the account, so that an
-- attacker cannot lock the user out.
CREATE TABLE sign_in_addresses (
    user_id INTEGER NOT NULL CONSTRAINT sign_in_addresses_user_fk REFERENCES users (id) ON DELETE CASCADE,
    address TEXT    NOT NULL,
    last_at INTEGER NOT NULL,
    CONSTRAINT sign_in_addresses_pk PRIMARY KEY (user_id, address)
) STRICT, WITHOUT ROWID;

-- One row per sign-in. Rows are read and updated only by primary key, so the table is stored as an index (WITHOUT ROWID).
CREATE TABLE sessions (
    id                   BLOB    NOT NULL CONSTRAINT sessions_pk PRIMARY KEY
                                 CONSTRAINT sessions_id_is_uuid CHECK (length(id) = 16),
    user_id              INTEGER NOT NULL CONSTRAINT sessions_user_fk REFERENCES users (id) ON DELETE CASCADE,
    dialect              TEXT    NOT NULL CONSTRAINT sessions_dialect_known
                                 CHECK (dialect IN ('jwt_issuer', 'rest_jwt', 'rest_social', 'drf_pyjwt', 'simplejwt')),
    -- How often the refresh token was rotated. Tokens of generation good_from and later are valid.
    generation           INTEGER NOT NULL CONSTRAINT sessions_generation_range CHECK (generation BETWEEN 0 AND 4294967295),
    -- The first generation that no rotation has spent.
    good_from            INTEGER NOT NULL CONSTRAINT sessions_good_from_range CHECK (good_from BETWEEN 0 AND generation),
    opened_at            INTEGER NOT NULL,
    rotated_at           INTEGER NOT NULL,
    expires_at           INTEGER NOT NULL,
    ended_at             INTEGER,
    end_reason           TEXT    CONSTRAINT sessions_end_reason_known CHECK (end_reason IN
                                 ('sign_out', 'password_changed', 'password_reset', 'disabled', 'reuse', 'operator')),
    must_change_password INTEGER NOT NULL DEFAULT 0 CONSTRAINT sessions_must_change_flag CHECK (must_change_password IN (0, 1)),
    address              TEXT,
    CONSTRAINT sessions_end_has_reason CHECK ((ended_at IS NULL) = (end_reason IS NULL))
) STRICT, WITHOUT ROWID;

-- A user's sessions, newest first; also used when a user is deleted.
CREATE INDEX sessions_by_user ON sessions (user_id, opened_at);
-- Finds the oldest live session of a dialect, whose keys must be kept. Its columns do not change while a session lives, so
-- only a sign-in and an end write it.
CREATE INDEX sessions_by_opening ON sessions (dialect, opened_at) WHERE ended_at IS NULL;
-- Expired sessions, for the cleanup.
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Maps the keyed hash of a refresh token without a session id (the UUIDs of `drf_pyjwt`) to its session and generation.
-- It has one row per refresh, and keeps the rows of spent tokens as long as their session, to detect reuse. The table is
-- stored as an index; the second index is for the cleanup.
CREATE TABLE refresh_hashes (
    hash       BLOB    NOT NULL CONSTRAINT refresh_hashes_pk PRIMARY KEY
                       CONSTRAINT refresh_hashes_hash_length CHECK (length(hash) = 32),
    session_id BLOB    NOT NULL CONSTRAINT refresh_hashes_session_fk REFERENCES sessions (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL CONSTRAINT refresh_hashes_generation_range CHECK (generation BETWEEN 0 AND 4294967295)
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_hashes_by_session ON refresh_hashes (session_id, generation);

-- At most one reset code per user: a newer code replaces it.
CREATE TABLE reset_codes (
    user_id    INTEGER NOT NULL CONSTRAINT reset_codes_pk PRIMARY KEY
                       CONSTRAINT reset_codes_user_fk REFERENCES users (id) ON DELETE CASCADE,
    code_hash  BLOB    NOT NULL CONSTRAINT reset_codes_hash_unique UNIQUE
                       CONSTRAINT reset_codes_hash_length CHECK (length(code_hash) = 32),
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX reset_codes_by_expiry ON reset_codes (expires_at);

-- E-mails to send. Each is written in the same transaction as its cause.
CREATE TABLE outbox (
    id         INTEGER NOT NULL CONSTRAINT outbox_pk PRIMARY KEY AUTOINCREMENT,
    template   TEXT    NOT NULL,
    -- Envelope and bodies, sealed; null when the e-mail was sent or given up.
    sealed     BLOB,
    created_at INTEGER NOT NULL,
    -- When the next attempt is due; null when the e-mail was sent or given up.
    due_at     INTEGER,
    attempts   INTEGER NOT NULL DEFAULT 0 CONSTRAINT outbox_attempts_range CHECK (attempts BETWEEN 0 AND 4294967295),
    -- Null if the e-mail is waiting or was given up.
    sent_at    INTEGER,
    last_error TEXT,
    CONSTRAINT outbox_waiting_has_content CHECK ((due_at IS NULL) = (sealed IS NULL)),
    CONSTRAINT outbox_sent_is_done CHECK (sent_at IS NULL OR due_at IS NULL)
) STRICT;

CREATE INDEX outbox_waiting ON outbox (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_done ON outbox (created_at) WHERE due_at IS NULL;

-- Runtime settings that were changed. A setting without a row has its default.
CREATE TABLE settings (
    name       TEXT    NOT NULL CONSTRAINT settings_pk PRIMARY KEY,
    value      TEXT    NOT NULL CONSTRAINT settings_value_json CHECK (json_valid(value)),
    changed_at INTEGER NOT NULL,
    changed_by TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Who did what, when and from where. No foreign key, because an entry outlives its user.
CREATE TABLE audit (
    id       INTEGER NOT NULL CONSTRAINT audit_pk PRIMARY KEY,
    at       INTEGER NOT NULL,
    action   TEXT    NOT NULL,
    user_id  INTEGER,
    -- The name that the user had then; removed when the user is deleted.
    username TEXT,
    address  TEXT,
    detail   TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_by_user ON audit (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_by_time ON audit (at);

-- When the process ran, to compute its availability. One row per start, never deleted: a year of daily restarts is 15 KiB.
CREATE TABLE runs (
    id         INTEGER NOT NULL CONSTRAINT runs_pk PRIMARY KEY AUTOINCREMENT,
    started_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    CONSTRAINT runs_end_after_start CHECK (seen_at >= started_at)
) STRICT;

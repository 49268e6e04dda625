-- Countersign's first schema.
--
-- Dates are whole Unix seconds. UUIDs and hashes are BLOBs of their exact length. Addresses are as people write them
-- (`192.0.2.1`, `2001:db8::1`). Flags are 0 or 1. No secret is here in clear: passwords and reset codes are hashes,
-- mails are sealed, refresh tokens follow from a session's id and generation; of none is more kept than a hash.
-- A file of this folder that was once released is never edited: what changes is a further file.

CREATE TABLE users (
    -- What other systems hold as a foreign key: given once, kept on import, never given again.
    id                   INTEGER NOT NULL CONSTRAINT users_pk PRIMARY KEY AUTOINCREMENT,
    -- What tokens carry.
    sub                  BLOB    NOT NULL CONSTRAINT users_sub_unique UNIQUE
                                 CONSTRAINT users_sub_is_uuid CHECK (length(sub) = 16),
    -- As its owner wrote it, and the spelling-independent form that is unique and looked up.
    username             TEXT    NOT NULL,
    username_key         TEXT    NOT NULL CONSTRAINT users_username_key_unique UNIQUE
                                 CONSTRAINT users_username_key_filled CHECK (username_key <> ''),
    email                TEXT,
    email_key            TEXT    CONSTRAINT users_email_key_unique UNIQUE,
    email_verified       INTEGER NOT NULL DEFAULT 0 CONSTRAINT users_email_verified_flag CHECK (email_verified IN (0, 1)),
    first_name           TEXT    NOT NULL DEFAULT '',
    last_name            TEXT    NOT NULL DEFAULT '',
    -- A PHC string or an imported system's form; null where no password opens the account.
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

-- Where a user signed in from, the newest few: an account's owner is known by it when strangers are throttled.
CREATE TABLE sign_in_addresses (
    user_id INTEGER NOT NULL CONSTRAINT sign_in_addresses_user_fk REFERENCES users (id) ON DELETE CASCADE,
    address TEXT    NOT NULL,
    last_at INTEGER NOT NULL,
    CONSTRAINT sign_in_addresses_pk PRIMARY KEY (user_id, address)
) STRICT, WITHOUT ROWID;

-- One row for each sign-in. Read and refreshed by its key alone, so the table is its own index.
CREATE TABLE sessions (
    id                   BLOB    NOT NULL CONSTRAINT sessions_pk PRIMARY KEY
                                 CONSTRAINT sessions_id_is_uuid CHECK (length(id) = 16),
    user_id              INTEGER NOT NULL CONSTRAINT sessions_user_fk REFERENCES users (id) ON DELETE CASCADE,
    dialect              TEXT    NOT NULL CONSTRAINT sessions_dialect_known
                                 CHECK (dialect IN ('jwt_issuer', 'rest_jwt', 'rest_social', 'drf_pyjwt', 'simplejwt')),
    -- How often its refresh token was rotated; tokens of the generations from good_from on are good.
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

-- A user's sessions, newest first; and what a user's deletion takes along.
CREATE INDEX sessions_by_user ON sessions (user_id, opened_at);
-- The oldest of a dialect that lives: what keys must be kept for. Its columns never change while a session lives, so
-- only a sign-in and an end pay for it.
CREATE INDEX sessions_by_opening ON sessions (dialect, opened_at) WHERE ended_at IS NULL;
-- What the sweep forgets.
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Which session and generation a refresh token stands for that names neither (the UUIDs of `drf_pyjwt`), by its keyed hash.
-- A row for each refresh, spent tokens' too, for as long as their session is remembered: a spent one must be known when
-- it comes back. The table is its own index; the second one is for forgetting.
CREATE TABLE refresh_hashes (
    hash       BLOB    NOT NULL CONSTRAINT refresh_hashes_pk PRIMARY KEY
                       CONSTRAINT refresh_hashes_hash_length CHECK (length(hash) = 32),
    session_id BLOB    NOT NULL CONSTRAINT refresh_hashes_session_fk REFERENCES sessions (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL CONSTRAINT refresh_hashes_generation_range CHECK (generation BETWEEN 0 AND 4294967295)
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_hashes_by_session ON refresh_hashes (session_id, generation);

-- At most one reset code for each user: a newer one replaces it.
CREATE TABLE reset_codes (
    user_id    INTEGER NOT NULL CONSTRAINT reset_codes_pk PRIMARY KEY
                       CONSTRAINT reset_codes_user_fk REFERENCES users (id) ON DELETE CASCADE,
    code_hash  BLOB    NOT NULL CONSTRAINT reset_codes_hash_unique UNIQUE
                       CONSTRAINT reset_codes_hash_length CHECK (length(code_hash) = 32),
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX reset_codes_by_expiry ON reset_codes (expires_at);

-- Mails that were promised, each written in the transaction of its cause.
CREATE TABLE outbox (
    id         INTEGER NOT NULL CONSTRAINT outbox_pk PRIMARY KEY AUTOINCREMENT,
    template   TEXT    NOT NULL,
    -- Envelope and bodies, sealed; null as soon as the mail is done with.
    sealed     BLOB,
    created_at INTEGER NOT NULL,
    -- When it may be taken next; null once it was sent or given up.
    due_at     INTEGER,
    attempts   INTEGER NOT NULL DEFAULT 0 CONSTRAINT outbox_attempts_range CHECK (attempts BETWEEN 0 AND 4294967295),
    -- Null for one that was given up.
    sent_at    INTEGER,
    last_error TEXT,
    CONSTRAINT outbox_waiting_has_content CHECK ((due_at IS NULL) = (sealed IS NULL)),
    CONSTRAINT outbox_sent_is_done CHECK (sent_at IS NULL OR due_at IS NULL)
) STRICT;

CREATE INDEX outbox_waiting ON outbox (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_done ON outbox (created_at) WHERE due_at IS NULL;

-- Runtime settings that were set; what is not here has its default.
CREATE TABLE settings (
    name       TEXT    NOT NULL CONSTRAINT settings_pk PRIMARY KEY,
    value      TEXT    NOT NULL CONSTRAINT settings_value_json CHECK (json_valid(value)),
    changed_at INTEGER NOT NULL,
    changed_by TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Who did what, when and from where. No foreign key: a line outlives its user.
CREATE TABLE audit (
    id       INTEGER NOT NULL CONSTRAINT audit_pk PRIMARY KEY,
    at       INTEGER NOT NULL,
    action   TEXT    NOT NULL,
    user_id  INTEGER,
    -- The name the user had then; forgotten when the user is deleted.
    username TEXT,
    address  TEXT,
    detail   TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_by_user ON audit (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_by_time ON audit (at);

-- When the process ran, for its availability. A row for each start, forever: a year of daily restarts is 15 KiB.
CREATE TABLE runs (
    id         INTEGER NOT NULL CONSTRAINT runs_pk PRIMARY KEY AUTOINCREMENT,
    started_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    CONSTRAINT runs_end_after_start CHECK (seen_at >= started_at)
) STRICT;

-- Confirmations of e-mail addresses that were requested: at most one per user. A newer one replaces it.
CREATE TABLE email_confirmations (
    user_id          INTEGER NOT NULL CONSTRAINT email_confirmations_pk PRIMARY KEY
                             CONSTRAINT email_confirmations_user_fk REFERENCES users (id) ON DELETE CASCADE,
    -- The address to be confirmed: the user's address, or the one that replaces it. Several users may request one address.
    email            TEXT    NOT NULL,
    -- Whether the address also becomes the user name.
    becomes_username INTEGER NOT NULL CONSTRAINT email_confirmations_becomes_username_flag CHECK (becomes_username IN (0, 1)),
    link_hash        BLOB    NOT NULL CONSTRAINT email_confirmations_link_hash_unique UNIQUE
                             CONSTRAINT email_confirmations_link_hash_length CHECK (length(link_hash) = 32),
    requested_at     INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL
) STRICT;

CREATE INDEX email_confirmations_by_expiry ON email_confirmations (expires_at);

-- Whether the user was obliged at registration to confirm the address. Existing users are not.
ALTER TABLE users ADD COLUMN must_confirm_email INTEGER NOT NULL DEFAULT 0
    CONSTRAINT users_must_confirm_email_flag CHECK (must_confirm_email IN (0, 1));

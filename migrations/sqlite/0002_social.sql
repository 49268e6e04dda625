-- Sign-in at providers: which provider account belongs to which user.

-- A provider account belongs to one user, and a user has at most one account per provider. The provider's tokens are sealed.
-- Provider, id and kind are the associated data, so that a token is valid only in its own row. The sealed value names its key.
CREATE TABLE social_accounts (
    -- The name in the settings: `google`, `github`, `facebook`, or the name of an OpenID Connect provider.
    provider      TEXT    NOT NULL CONSTRAINT social_accounts_provider_filled CHECK (provider <> ''),
    -- The id of the user at the provider, compared byte by byte.
    social_id     TEXT    NOT NULL CONSTRAINT social_accounts_social_id_filled CHECK (social_id <> ''),
    user_id       INTEGER NOT NULL CONSTRAINT social_accounts_user_fk REFERENCES users (id) ON DELETE CASCADE,
    -- Null after a sign-out, which deletes it.
    access_token  BLOB,
    -- Null if the provider issues none.
    refresh_token BLOB,
    -- When the access token expires; null if the provider did not state it.
    expires_at    INTEGER,
    linked_at     INTEGER NOT NULL,
    -- The last sign-in with this account; null if a signed-in user linked it and it was never used.
    last_login    INTEGER,
    CONSTRAINT social_accounts_pk PRIMARY KEY (provider, social_id),
    CONSTRAINT social_accounts_one_each UNIQUE (user_id, provider)
) STRICT, WITHOUT ROWID;

-- The provider that authenticated the user; null if a password or an operator opened the session.
ALTER TABLE sessions ADD COLUMN provider TEXT;

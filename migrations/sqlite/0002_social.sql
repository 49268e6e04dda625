-- Sign-in at providers: which accounts elsewhere open which accounts here.

-- An account at a provider is one user's, and a user has one account of each provider. The tokens the provider gave us
-- are sealed, each for its own row (provider, id and kind are authenticated with it) and with the name of its key.
CREATE TABLE social_accounts (
    -- As the configuration names it: `google`, `github`, `facebook`, or the name of an OpenID Connect provider.
    provider      TEXT    NOT NULL CONSTRAINT social_accounts_provider_filled CHECK (provider <> ''),
    -- The provider's own id for the person, compared byte by byte.
    social_id     TEXT    NOT NULL CONSTRAINT social_accounts_social_id_filled CHECK (social_id <> ''),
    user_id       INTEGER NOT NULL CONSTRAINT social_accounts_user_fk REFERENCES users (id) ON DELETE CASCADE,
    -- Null once it was forgotten, at a sign-out.
    access_token  BLOB,
    -- Null where the provider gives none.
    refresh_token BLOB,
    -- When the access token ends; null where the provider did not say.
    expires_at    INTEGER,
    linked_at     INTEGER NOT NULL,
    -- When it last opened the account; null for one that was linked by a signed-in user and never used.
    last_login    INTEGER,
    CONSTRAINT social_accounts_pk PRIMARY KEY (provider, social_id),
    CONSTRAINT social_accounts_one_each UNIQUE (user_id, provider)
) STRICT, WITHOUT ROWID;

-- The provider whose word opened the session; null where a password or an operator did.
ALTER TABLE sessions ADD COLUMN provider TEXT;

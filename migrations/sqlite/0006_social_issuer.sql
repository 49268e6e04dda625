-- The issuer of a provider account. An id identifies a user only together with its issuer (OpenID Connect Core 1.0 §5.7), and
-- the settings may configure another issuer under the same provider name. Null if the provider has no issuer, and for accounts
-- linked before this column existed, until the next sign-in sets it.
ALTER TABLE social_accounts ADD COLUMN issuer TEXT;

-- Whose word an account at a provider is. An id is one person's at one issuer alone (OpenID Connect Core 1.0 §5.7), and the
-- settings may put another issuer under a provider's name. Null where the provider has no issuer, and for what was linked
-- before this was kept: the next sign-in tells.
ALTER TABLE social_accounts ADD COLUMN issuer TEXT;

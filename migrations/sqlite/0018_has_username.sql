-- Whether the user has a user name. A user who registered without one has the e-mail address in username, which tokens and
-- responses show as an empty user name.
ALTER TABLE users ADD COLUMN has_username INTEGER NOT NULL DEFAULT 1
    CONSTRAINT users_has_username_bool CHECK (has_username IN (0, 1));

-- User names that were released by a change or a deletion. They are kept from new registrations for as long as tokens that
-- contain them may be valid. A name may have several former users.
CREATE TABLE kept_names (
    -- The normalised form of the name.
    username_key TEXT    NOT NULL,
    -- The user who had the name. Not a foreign key, because the user may be deleted.
    user_id      INTEGER NOT NULL,
    kept_until   INTEGER NOT NULL,
    CONSTRAINT kept_names_pk PRIMARY KEY (username_key, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX kept_names_by_end ON kept_names (kept_until);

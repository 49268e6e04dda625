-- Refresh UUIDs are derived with random bytes that no token shows. A session that was opened before gets them at its next
-- refresh; the UUIDs of the generations before refresh_key_from are derived without them.
ALTER TABLE sessions ADD COLUMN refresh_key BLOB CONSTRAINT sessions_refresh_key_length CHECK (length(refresh_key) = 16);
ALTER TABLE sessions ADD COLUMN refresh_key_from INTEGER
    CONSTRAINT sessions_refresh_key_from_range CHECK (refresh_key_from BETWEEN 0 AND 4294967295);

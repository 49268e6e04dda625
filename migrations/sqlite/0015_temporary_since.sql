-- Temporary passwords expire, and so do the sessions that were opened with them. Their lifetime is a setting, so that the date
-- is stored on which they were set. For existing ones the lifetime begins now.

ALTER TABLE users ADD COLUMN temporary_since INTEGER;
UPDATE users SET temporary_since = unixepoch() WHERE must_change_password = 1;
ALTER TABLE users DROP COLUMN must_change_password;

ALTER TABLE sessions ADD COLUMN temporary_since INTEGER;
UPDATE sessions SET temporary_since = unixepoch() WHERE must_change_password = 1;
ALTER TABLE sessions DROP COLUMN must_change_password;

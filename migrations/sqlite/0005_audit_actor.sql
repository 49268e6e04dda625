-- Who did what an operator does, and the indexes of the admin zone's pages. None lies on a refresh's path; a sign-in's
-- audit line pays for one entry more.

-- Who did it, where it was not the account's owner: a superuser, by id and by the name they had then, which is forgotten
-- when they are deleted. Null for the command line.
ALTER TABLE audit ADD COLUMN actor_id INTEGER;
ALTER TABLE audit ADD COLUMN actor TEXT;

-- Pages of the log go back in time, whatever they are narrowed to.
DROP INDEX audit_by_user;
CREATE INDEX audit_by_user ON audit (user_id, at) WHERE user_id IS NOT NULL;
CREATE INDEX audit_by_actor ON audit (actor_id, at) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_by_action ON audit (action, at);

-- The few among many; the first also answers whether a superuser is the last one.
CREATE INDEX users_superusers ON users (username_key) WHERE is_superuser = 1;
CREATE INDEX users_disabled ON users (username_key) WHERE is_active = 0;

-- The oldest mail that waits, and those that were given up.
CREATE INDEX outbox_waiting_by_age ON outbox (created_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_given_up ON outbox (created_at) WHERE due_at IS NULL AND sent_at IS NULL;

-- The actor of an administrative action, and the indexes for the pages of the admin zone. A refresh writes none of these
-- indexes. The audit entry of a sign-in writes one more index entry.

-- The superuser who did it, if it was not the user: the id, and the name at that time, which is removed when the superuser
-- is deleted. Null for the command line.
ALTER TABLE audit ADD COLUMN actor_id INTEGER;
ALTER TABLE audit ADD COLUMN actor TEXT;

-- The pages of the audit log are ordered by time with every filter.
DROP INDEX audit_by_user;
CREATE INDEX audit_by_user ON audit (user_id, at) WHERE user_id IS NOT NULL;
CREATE INDEX audit_by_actor ON audit (actor_id, at) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_by_action ON audit (action, at);

-- Partial indexes for rare values. The first also shows whether a superuser is the last one.
CREATE INDEX users_superusers ON users (username_key) WHERE is_superuser = 1;
CREATE INDEX users_disabled ON users (username_key) WHERE is_active = 0;

-- The oldest waiting e-mail, and the e-mails that were given up.
CREATE INDEX outbox_waiting_by_age ON outbox (created_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_given_up ON outbox (created_at) WHERE due_at IS NULL AND sent_at IS NULL;

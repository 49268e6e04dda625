-- When the code or link in the e-mail expires; null if it contains none, and for e-mails queued before this column existed.
ALTER TABLE outbox ADD COLUMN expires_at INTEGER;
-- Whether the e-mail was given up because it expired.
ALTER TABLE outbox ADD COLUMN expired INTEGER NOT NULL DEFAULT 0
    CONSTRAINT outbox_expired_is_given_up CHECK (expired = 0 OR (expired = 1 AND due_at IS NULL AND sent_at IS NULL));
-- Until when a process has reserved the e-mail to send it; null if it only waits.
ALTER TABLE outbox ADD COLUMN claimed_until INTEGER;

-- Repeats of refreshes within the grace period. A refresh writes the network and resets the count in the same row.

-- The network that rotated the refresh token last: 3 bytes of an IPv4 /24, or 8 bytes of an IPv6 /64. Null before the first
-- rotation.
ALTER TABLE sessions ADD COLUMN rotated_network BLOB
    CONSTRAINT sessions_rotated_network_length CHECK (length(rotated_network) IN (3, 8));
-- How often that network has repeated the last rotation.
ALTER TABLE sessions ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0;
-- How often other networks have repeated a rotation of the session.
ALTER TABLE sessions ADD COLUMN repeats_elsewhere INTEGER NOT NULL DEFAULT 0;

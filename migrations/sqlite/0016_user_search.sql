-- The text by which users are searched: user name, address, and names, normalised. `src/store/sqlite/search_text.rs` computes
-- it and creates an index that contains everything that a search reads.
ALTER TABLE users ADD COLUMN search_text TEXT NOT NULL DEFAULT '';
DROP INDEX users_disabled;

-- Hashes of ratchet parameters are forgotten like those of messages.

ALTER TABLE agent_key_hashes ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
UPDATE agent_key_hashes SET created_at = unixepoch() * 1000;

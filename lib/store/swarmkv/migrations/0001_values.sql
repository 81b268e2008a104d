-- What a profile knows of the swarm beside its repositories: the account, the
-- conversations and requests, contacts, settings, marks.
CREATE TABLE swarm_values (
  value_id INTEGER PRIMARY KEY,
  kind     TEXT NOT NULL,
  conv     TEXT NOT NULL,      -- conversation, or empty
  key      TEXT NOT NULL,
  data     ANY NOT NULL,       -- [sealed]
  UNIQUE (kind, conv, key)
) STRICT;
CREATE INDEX swarm_values_conv ON swarm_values (conv);

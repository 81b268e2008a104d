-- State of package chat. Columns beside doc are those that queries need; doc is
-- the whole row as JSON, in the names of package chat's types. Columns marked
-- [sealed] hold sealed values in an encrypted database, those marked [token]
-- equal ones for equal values; their type is ANY where it would be TEXT.

-- Users: profiles of ours.
CREATE TABLE chat_users (
  user_id INTEGER PRIMARY KEY AUTOINCREMENT,
  doc     ANY NOT NULL      -- [sealed]
) STRICT;

-- Numbers of profiles, ours and others'.
CREATE TABLE chat_profiles (
  profile_id INTEGER PRIMARY KEY AUTOINCREMENT
) STRICT;

-- Contacts; one of them stands for each user.
CREATE TABLE chat_contacts (
  contact_id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id    INTEGER NOT NULL REFERENCES chat_users ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  name       ANY NOT NULL,     -- [token] local display name
  doc        ANY NOT NULL,     -- [sealed]
  UNIQUE (user_id, name)
) STRICT;

-- Connections of the agent.
CREATE TABLE chat_conns (
  conn_id       INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id       INTEGER NOT NULL REFERENCES chat_users ON DELETE CASCADE,
  agent_conn_id TEXT NOT NULL UNIQUE,
  doc           ANY NOT NULL   -- [sealed]
) STRICT;
CREATE INDEX chat_conns_user ON chat_conns (user_id);

-- Chat items.
CREATE TABLE chat_items (
  item_id    INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id    INTEGER NOT NULL REFERENCES chat_users ON DELETE CASCADE,
  contact_id INTEGER NOT NULL REFERENCES chat_contacts ON DELETE CASCADE,
  sent       INTEGER NOT NULL, -- 1: by us
  message    INTEGER NOT NULL, -- 0: a notice of the program
  msg_id     ANY,              -- [token] the sender's name for the message
  unread     INTEGER NOT NULL,
  seq        INTEGER,          -- of the event that told of a received item
  idem       ANY,              -- [token] the client's key for a sent item
  text       ANY NOT NULL,     -- [sealed] for searching
  doc        ANY NOT NULL      -- [sealed]
) STRICT;
CREATE UNIQUE INDEX chat_items_msg ON chat_items (contact_id, sent, msg_id) WHERE msg_id IS NOT NULL;
CREATE UNIQUE INDEX chat_items_idem ON chat_items (user_id, idem) WHERE idem IS NOT NULL;
CREATE INDEX chat_items_contact ON chat_items (contact_id, item_id);
CREATE INDEX chat_items_unread ON chat_items (user_id, contact_id, item_id) WHERE unread = 1;
CREATE INDEX chat_items_seq ON chat_items (user_id, seq) WHERE seq IS NOT NULL;

-- Contents that an edited item had.
CREATE TABLE chat_item_versions (
  version_id INTEGER PRIMARY KEY AUTOINCREMENT,
  item_id    INTEGER NOT NULL REFERENCES chat_items ON DELETE CASCADE,
  doc        ANY NOT NULL      -- [sealed]
) STRICT;
CREATE INDEX chat_item_versions_item ON chat_item_versions (item_id);

-- Messages not yet given to the agent.
CREATE TABLE chat_outs (
  out_id  INTEGER PRIMARY KEY AUTOINCREMENT,
  conn_id INTEGER NOT NULL REFERENCES chat_conns ON DELETE CASCADE,
  item_id INTEGER NOT NULL,    -- 0: none
  key     ANY NOT NULL,        -- [sealed] the agent's key against giving it twice
  notify  INTEGER NOT NULL,
  body    BLOB NOT NULL        -- [sealed]
) STRICT;
CREATE INDEX chat_outs_conn ON chat_outs (conn_id, out_id);

-- Which message of the agent carries which item.
CREATE TABLE chat_deliveries (
  conn_id INTEGER NOT NULL REFERENCES chat_conns ON DELETE CASCADE,
  msg_id  INTEGER NOT NULL,    -- the agent's number
  item_id INTEGER NOT NULL,
  PRIMARY KEY (conn_id, msg_id)
) STRICT, WITHOUT ROWID;

-- The event log.
CREATE TABLE chat_events (
  seq  INTEGER PRIMARY KEY AUTOINCREMENT,
  ts   INTEGER NOT NULL,       -- nanoseconds since 1970
  type TEXT NOT NULL,
  resp ANY NOT NULL            -- [sealed] JSON of the API
) STRICT;

-- How far named consumers have acknowledged the log.
CREATE TABLE chat_cursors (
  consumer ANY NOT NULL PRIMARY KEY, -- [token]
  seq      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

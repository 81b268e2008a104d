-- Contact addresses of ours, and who asks to connect through them.

CREATE TABLE chat_addresses (
  address_id    INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id       INTEGER NOT NULL UNIQUE REFERENCES chat_users ON DELETE CASCADE,
  agent_conn_id TEXT NOT NULL UNIQUE,
  doc           ANY NOT NULL   -- [sealed]
) STRICT;

CREATE TABLE chat_requests (
  request_id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id    INTEGER NOT NULL REFERENCES chat_users ON DELETE CASCADE,
  doc        ANY NOT NULL      -- [sealed]
) STRICT;
CREATE INDEX chat_requests_user ON chat_requests (user_id);

-- When items are to disappear.
CREATE TABLE chat_timers (
  item_id   INTEGER PRIMARY KEY REFERENCES chat_items ON DELETE CASCADE,
  delete_at INTEGER NOT NULL    -- nanoseconds since 1970
) STRICT;
CREATE INDEX chat_timers_due ON chat_timers (delete_at);

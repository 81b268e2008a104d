-- Messages of conversations that are kept elsewhere, as recv shows them.
CREATE TABLE chat_lines (
  line_id INTEGER PRIMARY KEY,
  seq     INTEGER NOT NULL UNIQUE, -- of the event
  key     TEXT NOT NULL UNIQUE,    -- what the message is known by where it is kept
  unread  INTEGER NOT NULL,
  doc     ANY NOT NULL             -- [sealed]
) STRICT;
CREATE INDEX chat_lines_unread ON chat_lines (seq) WHERE unread = 1;

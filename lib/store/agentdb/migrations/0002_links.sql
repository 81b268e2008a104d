-- Short links, the users of an agent, and notifications.

ALTER TABLE agent_conns ADD COLUMN user_id INTEGER NOT NULL DEFAULT 0;

CREATE TABLE agent_short_links (
	rcv_queue_id INTEGER NOT NULL PRIMARY KEY REFERENCES agent_rcv_queues ON DELETE CASCADE,
	type         TEXT    NOT NULL, -- the letter in the link
	link_id      BLOB    NOT NULL, -- where the data is on the relay
	link_key     BLOB    NOT NULL, -- opens the data
	root_key     BLOB    NOT NULL, -- private, PKCS #8: signs the data
	fixed        BLOB    NOT NULL  -- the sealed part that never changes
) STRICT;

CREATE TABLE agent_opened_links (
	server     TEXT    NOT NULL,
	link_id    BLOB    NOT NULL,
	link_key   BLOB    NOT NULL,
	auth_key   BLOB    NOT NULL, -- private, PKCS #8: we asked with it, and will send
	snd_id     BLOB    NOT NULL, -- of the queue; empty before the answer
	created_at INTEGER NOT NULL,
	PRIMARY KEY (server, link_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_opened_links_queue ON agent_opened_links (server, snd_id);

CREATE TABLE agent_notifiers (
	rcv_queue_id INTEGER NOT NULL PRIMARY KEY REFERENCES agent_rcv_queues ON DELETE CASCADE,
	auth_key     BLOB    NOT NULL, -- private, PKCS #8: authorizes the notifier
	private      BLOB    NOT NULL, -- X25519 private key, raw
	notifier_id  BLOB    NOT NULL, -- on the relay; empty before the answer
	secret       BLOB              -- opens what notifications say; NULL before
) STRICT;

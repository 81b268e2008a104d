-- Short links, the users of an agent, and notifications. [sealed] and [token]
-- as in 0001.

ALTER TABLE agent_conns ADD COLUMN user_id INTEGER NOT NULL DEFAULT 0;

CREATE TABLE agent_short_links (
	rcv_queue_id INTEGER NOT NULL PRIMARY KEY REFERENCES agent_rcv_queues ON DELETE CASCADE,
	type         TEXT    NOT NULL, -- the letter in the link
	link_id      BLOB    NOT NULL, -- [sealed] where the data is on the relay
	link_key     BLOB    NOT NULL, -- [sealed] opens the data
	root_key     BLOB    NOT NULL, -- [sealed] private, PKCS #8: signs the data
	fixed        BLOB    NOT NULL  -- [sealed] the sealed part that never changes
) STRICT;

CREATE TABLE agent_opened_links (
	server     ANY     NOT NULL, -- [token]
	link_id    BLOB    NOT NULL, -- [token]
	link_key   BLOB    NOT NULL, -- [sealed]
	auth_key   BLOB    NOT NULL, -- [sealed] private, PKCS #8: we asked with it, and will send
	snd_id     BLOB    NOT NULL, -- [token] of the queue; empty before the answer
	created_at INTEGER NOT NULL,
	PRIMARY KEY (server, link_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_opened_links_queue ON agent_opened_links (server, snd_id);

CREATE TABLE agent_notifiers (
	rcv_queue_id INTEGER NOT NULL PRIMARY KEY REFERENCES agent_rcv_queues ON DELETE CASCADE,
	auth_key     BLOB    NOT NULL, -- [sealed] private, PKCS #8: authorizes the notifier
	private      BLOB    NOT NULL, -- [sealed] X25519 private key, raw
	notifier_id  BLOB    NOT NULL, -- [sealed] on the relay; empty before the answer
	secret       BLOB              -- [sealed] opens what notifications say; NULL before
) STRICT;

-- Connections, their queues and ratchets, and what is on its way in or out.
-- Times are milliseconds since 1970 UTC. Columns marked [sealed] hold sealed
-- values in an encrypted database, those marked [token] equal ones for equal
-- values; their declared type is ANY where it would be TEXT otherwise.

CREATE TABLE agent_conns (
	conn_id     TEXT    NOT NULL PRIMARY KEY, -- 12 random bytes, base64url
	role        TEXT    NOT NULL, -- inviter, joiner, address
	phase       TEXT    NOT NULL, -- how far it has come
	version     INTEGER NOT NULL, -- agent version agreed
	pq          INTEGER NOT NULL, -- 1: the ratchet may use the KEM
	encrypted   INTEGER NOT NULL, -- 1: the last message had a KEM secret
	last_msg_id INTEGER NOT NULL, -- our number of the last message either way
	snd_id      INTEGER NOT NULL, -- number of the last message sent
	snd_hash    BLOB    NOT NULL, -- [sealed] SHA-256 of it
	rcv_id      INTEGER NOT NULL, -- sender's number of the last message received
	rcv_hash    BLOB    NOT NULL, -- [sealed] SHA-256 of it
	sync        TEXT    NOT NULL, -- state of the ratchet
	created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_rcv_queues (
	rcv_queue_id INTEGER PRIMARY KEY,
	conn_id      TEXT    NOT NULL REFERENCES agent_conns ON DELETE CASCADE,
	name         BLOB    NOT NULL UNIQUE, -- [token] server and rcv_id
	server       ANY     NOT NULL, -- [sealed] smp://fingerprint@hosts:port
	rcv_id       BLOB    NOT NULL, -- [sealed] recipient's ID on the relay
	snd_id       BLOB    NOT NULL, -- [sealed] sender's ID on the relay
	mode         INTEGER NOT NULL, -- 'M', 'C' or 0
	status       TEXT    NOT NULL,
	auth_key     BLOB    NOT NULL, -- [sealed] private, PKCS #8: authorizes our commands
	relay_key    BLOB    NOT NULL, -- [sealed] secret shared with the relay, for bodies
	e2e_private  BLOB    NOT NULL, -- [sealed] X25519 private key behind the link, raw
	e2e_secret   BLOB,             -- [sealed] secret shared with the sender
	version      INTEGER NOT NULL, -- SMP client version
	last_broker  BLOB    NOT NULL, -- [sealed] the relay's ID of the last message taken
	is_primary   INTEGER NOT NULL,
	replaces     INTEGER NOT NULL, -- rcv_queue_id that this one replaces, or 0
	switch       TEXT    NOT NULL -- state of a switch
) STRICT;
CREATE INDEX agent_rcv_queues_conn ON agent_rcv_queues (conn_id);

CREATE TABLE agent_snd_queues (
	snd_queue_id INTEGER PRIMARY KEY,
	conn_id      TEXT    NOT NULL REFERENCES agent_conns ON DELETE CASCADE,
	server       ANY     NOT NULL, -- [sealed]
	snd_id       BLOB    NOT NULL, -- [sealed]
	mode         INTEGER NOT NULL,
	status       TEXT    NOT NULL,
	auth_key     BLOB    NOT NULL, -- [sealed] private, PKCS #8: authorizes our messages
	e2e_public   BLOB    NOT NULL, -- [sealed] our X25519 key, raw, for the confirmation
	e2e_secret   BLOB    NOT NULL, -- [sealed] secret shared with the recipient
	version      INTEGER NOT NULL,
	is_primary   INTEGER NOT NULL,
	replaces     INTEGER NOT NULL,
	switch       TEXT    NOT NULL
) STRICT;
CREATE INDEX agent_snd_queues_conn ON agent_snd_queues (conn_id);

CREATE TABLE agent_ratchets (
	conn_id TEXT NOT NULL PRIMARY KEY REFERENCES agent_conns ON DELETE CASCADE,
	state   BLOB, -- [sealed] the ratchet, NULL before it exists
	keys    BLOB  -- [sealed] private keys of parameters that wait for an answer
) STRICT;

CREATE TABLE agent_skipped_keys (
	conn_id    TEXT    NOT NULL REFERENCES agent_conns ON DELETE CASCADE,
	header_key BLOB    NOT NULL, -- [token]
	number     INTEGER NOT NULL, -- of the message in its chain
	msg_key    BLOB    NOT NULL, -- [sealed] key and IV
	PRIMARY KEY (conn_id, header_key, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_confirmations (
	conn_id     TEXT NOT NULL REFERENCES agent_conns ON DELETE CASCADE,
	conf_id     TEXT NOT NULL,
	sender_key  BLOB,          -- [sealed] key to secure our queue with, DER; NULL: it is secured
	reply_queue BLOB NOT NULL, -- [sealed] the joiner's queue
	own_info    BLOB,          -- [sealed] our connInfo; NULL before we allow
	PRIMARY KEY (conn_id, conf_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_requests (
	conn_id    TEXT NOT NULL REFERENCES agent_conns ON DELETE CASCADE, -- the address
	request_id TEXT NOT NULL,
	link       ANY  NOT NULL, -- [sealed] the invitation inside the request
	PRIMARY KEY (conn_id, request_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_sent (
	conn_id    TEXT    NOT NULL REFERENCES agent_conns ON DELETE CASCADE,
	msg_id     INTEGER NOT NULL, -- our number
	snd_id     INTEGER NOT NULL, -- number in the message
	kind       TEXT    NOT NULL,
	notify     INTEGER NOT NULL,
	hash       BLOB    NOT NULL, -- [sealed] SHA-256 of the agent message
	body       BLOB,             -- [sealed] encrypted envelope; NULL once delivered
	pq         INTEGER NOT NULL,
	key        ANY,              -- [token] the client's name of the message
	receipt    INTEGER NOT NULL, -- 1: the receipt has come
	created_at INTEGER NOT NULL,
	PRIMARY KEY (conn_id, msg_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX agent_sent_key ON agent_sent (conn_id, key) WHERE key IS NOT NULL;
CREATE INDEX agent_sent_number ON agent_sent (conn_id, snd_id);
CREATE INDEX agent_sent_done ON agent_sent (created_at) WHERE body IS NULL;

CREATE TABLE agent_deliveries (
	snd_queue_id INTEGER NOT NULL REFERENCES agent_snd_queues ON DELETE CASCADE,
	msg_id       INTEGER NOT NULL,
	conn_id      TEXT    NOT NULL,
	attempts     INTEGER NOT NULL,
	delay        INTEGER NOT NULL, -- ms between the last attempts
	PRIMARY KEY (snd_queue_id, msg_id),
	FOREIGN KEY (conn_id, msg_id) REFERENCES agent_sent ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_deliveries_msg ON agent_deliveries (conn_id, msg_id);

CREATE TABLE agent_received (
	conn_id     TEXT    NOT NULL REFERENCES agent_conns ON DELETE CASCADE,
	msg_id      INTEGER NOT NULL, -- our number
	sender_id   INTEGER NOT NULL, -- the sender's number
	hash        BLOB    NOT NULL, -- [sealed] SHA-256 of the agent message
	enc_hash    BLOB    NOT NULL, -- [token] SHA-256 of the encrypted agent message
	user        INTEGER NOT NULL, -- 1: a message of the client
	received_at INTEGER NOT NULL,
	PRIMARY KEY (conn_id, msg_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_received_hash ON agent_received (conn_id, enc_hash);
CREATE INDEX agent_received_at ON agent_received (received_at);

CREATE TABLE agent_key_hashes (
	conn_id TEXT NOT NULL REFERENCES agent_conns ON DELETE CASCADE,
	hash    BLOB NOT NULL, -- [token] of ratchet parameters that were received
	PRIMARY KEY (conn_id, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_events (
	event_id     INTEGER PRIMARY KEY AUTOINCREMENT,
	conn_id      TEXT    NOT NULL REFERENCES agent_conns ON DELETE CASCADE,
	rcv_queue_id INTEGER NOT NULL, -- whose message is acknowledged with the event, or 0
	broker_id    BLOB    NOT NULL, -- [token] the relay's ID of that message
	kind         TEXT    NOT NULL,
	data         BLOB    NOT NULL, -- [sealed] JSON
	body         BLOB              -- [sealed]
) STRICT;
CREATE INDEX agent_events_conn ON agent_events (conn_id, event_id);

CREATE TABLE agent_commands (
	command_id INTEGER PRIMARY KEY AUTOINCREMENT,
	conn_id    TEXT    NOT NULL REFERENCES agent_conns ON DELETE CASCADE,
	kind       TEXT    NOT NULL,
	queue_id   INTEGER NOT NULL, -- of the queue concerned, or 0
	data       BLOB,             -- [sealed]
	created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX agent_commands_conn ON agent_commands (conn_id, command_id);

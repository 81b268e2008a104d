-- A queue: what NEW made and later commands changed.
CREATE TABLE queues (
    num             INTEGER PRIMARY KEY,     -- the queue's number, never used again
    recipient_id    BLOB NOT NULL UNIQUE,    -- 24 random bytes, for the recipient's commands
    sender_id       BLOB NOT NULL UNIQUE,    -- for SEND and SKEY
    recipient_keys  BLOB NOT NULL,           -- short strings of DER SubjectPublicKeyInfo, one or more
    secret          BLOB NOT NULL,           -- 32 bytes, DH with the recipient
    sender_key      BLOB,                    -- DER SubjectPublicKeyInfo; null: not secured
    mode            TEXT NOT NULL,           -- M messaging, C contact, empty: older than modes
    status          INTEGER NOT NULL,        -- 0 active, 1 off, 2 blocked
    blocking        BLOB,                    -- JSON, why it is blocked: Reason, Notice
    link_id         BLOB UNIQUE,             -- null: no short link
    notifier_id     BLOB UNIQUE,             -- null: no notifications
    notifier_key    BLOB,                    -- DER SubjectPublicKeyInfo
    notifier_secret BLOB,                    -- 32 bytes, DH with the recipient for metadata
    notifier_service_id BLOB,                -- service associated with the notifier
    service_id      BLOB,                    -- service associated with the recipient
    updated_at      INTEGER NOT NULL         -- Unix seconds of the last change of this row
) STRICT;

-- A service that connects with a certificate of its own.
CREATE TABLE services (
    certificate BLOB PRIMARY KEY,     -- SHA-256 of the identity certificate
    role        TEXT NOT NULL,        -- M messaging, N notifier, P proxy
    id          BLOB NOT NULL UNIQUE, -- 24 random bytes, as in queues.service_id
    created_at  INTEGER NOT NULL      -- Unix seconds
) STRICT;

-- A short link's data, encrypted for those who have the link.
CREATE TABLE links (
    queue  INTEGER PRIMARY KEY REFERENCES queues (num) ON DELETE CASCADE,
    fixed  BLOB NOT NULL, -- does not change
    mutable BLOB NOT NULL -- user data
) STRICT;

-- A message that was not acknowledged yet, or only just.
CREATE TABLE messages (
    seq    INTEGER PRIMARY KEY, -- order of arrival over all queues
    queue  INTEGER NOT NULL,    -- queues.num
    sent   INTEGER NOT NULL,    -- Unix seconds of arrival
    notify INTEGER NOT NULL,    -- 1: the sender asked to notify
    quota  INTEGER NOT NULL,    -- 1: the marker of a full queue, without body
    id     BLOB NOT NULL,       -- 24 random bytes
    body   BLOB NOT NULL        -- as sent, encrypted between the clients
) STRICT;
CREATE INDEX messages_queue ON messages (queue, seq);

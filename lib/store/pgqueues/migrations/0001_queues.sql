-- A queue: what NEW made and later commands changed.
CREATE TABLE queues (
    num             bigint PRIMARY KEY,      -- the queue's number, never used again
    recipient_id    bytea NOT NULL UNIQUE,   -- 24 random bytes, for the recipient's commands
    sender_id       bytea NOT NULL UNIQUE,   -- for SEND and SKEY
    recipient_keys  bytea NOT NULL,          -- short strings of DER SubjectPublicKeyInfo, one or more
    secret          bytea NOT NULL,          -- 32 bytes, DH with the recipient
    sender_key      bytea,                   -- DER SubjectPublicKeyInfo; null: not secured
    mode            text NOT NULL,           -- M messaging, C contact, empty: older than modes
    status          smallint NOT NULL,       -- 0 active, 1 off, 2 blocked
    blocking        bytea,                   -- JSON, why it is blocked: Reason, Notice
    link_id         bytea UNIQUE,            -- null: no short link
    notifier_id     bytea UNIQUE,            -- null: no notifications
    notifier_key    bytea,                   -- DER SubjectPublicKeyInfo
    notifier_secret bytea,                   -- 32 bytes, DH with the recipient for metadata
    notifier_service_id bytea,               -- service associated with the notifier
    service_id      bytea,                   -- service associated with the recipient
    updated_at      bigint NOT NULL          -- Unix seconds of the last change of this row
);

-- A service that connects with a certificate of its own.
CREATE TABLE services (
    certificate bytea PRIMARY KEY,     -- SHA-256 of the identity certificate
    role        text NOT NULL,         -- M messaging, N notifier, P proxy
    id          bytea NOT NULL UNIQUE, -- 24 random bytes, as in queues.service_id
    created_at  bigint NOT NULL        -- Unix seconds
);

-- A short link's data, encrypted for those who have the link.
CREATE TABLE links (
    queue   bigint PRIMARY KEY REFERENCES queues (num) ON DELETE CASCADE,
    fixed   bytea NOT NULL, -- does not change
    mutable bytea NOT NULL  -- user data
);

-- A message that was not acknowledged yet, or only just.
CREATE TABLE messages (
    seq    bigint PRIMARY KEY, -- order of arrival over all queues
    queue  bigint NOT NULL,    -- queues.num
    sent   bigint NOT NULL,    -- Unix seconds of arrival
    notify boolean NOT NULL,   -- the sender asked to notify
    quota  boolean NOT NULL,   -- the marker of a full queue, without body
    id     bytea NOT NULL,     -- 24 random bytes
    body   bytea NOT NULL      -- as sent, encrypted between the clients
);
CREATE INDEX messages_queue ON messages (queue, seq);
ALTER TABLE messages ALTER COLUMN body SET STORAGE EXTERNAL; -- it cannot be compressed

-- One row. Who holds its lock writes, alone among all relays.
CREATE TABLE state (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    num    bigint NOT NULL, -- the last of queues.num
    seq    bigint NOT NULL, -- the last of messages.seq
    change bigint NOT NULL, -- the last of changes.no
    pruned bigint NOT NULL  -- changes up to this one were deleted
);
INSERT INTO state (num, seq, change, pruned) VALUES (0, 0, 0, 0);

-- What was changed lately, for the other relays on this database to read.
CREATE TABLE changes (
    no     bigint PRIMARY KEY, -- order of the changes
    at     bigint NOT NULL,    -- Unix seconds
    kind   smallint NOT NULL,  -- 0: a queue or its messages; 1: a subscription, of the recipient; 2: of the notifier
    id     bytea NOT NULL,     -- queues.recipient_id, or for kind 2 queues.notifier_id
    notify bigint NOT NULL     -- the first message added that asks to notify, or 0
);
CREATE INDEX changes_at ON changes (at);

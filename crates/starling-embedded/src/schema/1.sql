-- Ids are compared byte by byte, as the ports' order of pages asks for. A seq of 0 is "never". Times are in
-- milliseconds since the Unix epoch.

CREATE TABLE entries (
    conversation TEXT NOT NULL,
    seq INTEGER NOT NULL,
    sender TEXT,
    client_id TEXT,
    lamport INTEGER NOT NULL,
    at INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    membership INTEGER NOT NULL,
    -- 1 for messages, 0 for all else.
    message INTEGER NOT NULL,
    -- JSON, as in the protocol.
    body TEXT NOT NULL,
    -- What became of a message: JSON of starling_core::records::Altered.
    altered TEXT,
    PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;
-- The idempotency keys. Entries of the system have none.
CREATE UNIQUE INDEX entries_client_id ON entries (conversation, sender, client_id) WHERE client_id IS NOT NULL;
-- Messages by number.
CREATE INDEX entries_messages ON entries (conversation, messages, sender) WHERE message = 1;

-- The newest of all logs.
CREATE INDEX entries_at ON entries (at);

CREATE TABLE conversations (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT,
    description TEXT,
    avatar_url TEXT,
    open INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    applied INTEGER NOT NULL,
    dissolved INTEGER,
    -- Up to here the texts of a dissolved conversation are gone.
    purged INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    conversation TEXT NOT NULL,
    user TEXT NOT NULL,
    role TEXT NOT NULL,
    changed INTEGER NOT NULL,
    role_changed INTEGER NOT NULL,
    -- NULL for present members.
    ended INTEGER,
    delivered INTEGER NOT NULL,
    read INTEGER NOT NULL,
    hidden INTEGER,
    PRIMARY KEY (conversation, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_present ON members (user, conversation) WHERE ended IS NULL;

CREATE TABLE sanctions (
    conversation TEXT NOT NULL,
    user TEXT NOT NULL,
    banned INTEGER NOT NULL,
    banned_at INTEGER NOT NULL,
    muted_until INTEGER,
    muted_at INTEGER NOT NULL,
    PRIMARY KEY (conversation, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE invites (
    id TEXT NOT NULL PRIMARY KEY,
    conversation TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    max_uses INTEGER,
    uses INTEGER NOT NULL,
    revoked INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX invites_of_conversation ON invites (conversation, id);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT,
    about TEXT,
    avatar_url TEXT,
    phone TEXT,
    -- 1: the user has chosen the name, and those in tokens do not change it.
    named INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    presence_text TEXT,
    last_seen INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE phones (
    phone TEXT NOT NULL PRIMARY KEY,
    user TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sign_ins (
    id TEXT NOT NULL PRIMARY KEY,
    user TEXT NOT NULL,
    device TEXT,
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    -- SHA-256 of the refresh token in force, of the one before, and the salt of the one in force.
    digest BLOB NOT NULL,
    previous BLOB,
    salt BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_ins_in_force ON sign_ins (user, created_at) WHERE ended_at IS NULL;
CREATE INDEX sign_ins_ended ON sign_ins (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sign_ins_over ON sign_ins (expires_at);

-- Two people, in the order of their ids. What each has done is a bit for each: 1 for the first, 2 for the second.
CREATE TABLE pairs (
    low TEXT NOT NULL,
    high TEXT NOT NULL,
    since INTEGER,
    removed INTEGER NOT NULL,
    added_by INTEGER NOT NULL,
    by_phone INTEGER NOT NULL,
    blocked_by INTEGER NOT NULL,
    direct TEXT,
    PRIMARY KEY (low, high)
) STRICT, WITHOUT ROWID;
CREATE INDEX pairs_of_high ON pairs (high, low);
CREATE UNIQUE INDEX pairs_direct ON pairs (direct) WHERE direct IS NOT NULL;

-- Systems outside that are told of events, and from when on.
CREATE TABLE event_sinks (
    name TEXT NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Up to here they were told.
CREATE TABLE told (
    sink TEXT NOT NULL,
    conversation TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (sink, conversation)
) STRICT, WITHOUT ROWID;

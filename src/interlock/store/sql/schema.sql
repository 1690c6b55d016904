-- The layout of the store on SQLite as it is made new. A database of an older layout gets there by `migrations/`, number after number.
--
-- slot comes first in every primary key: a unit's statements each bind one. At most two rows per case lie at random positions and stay
-- (its place in the index of cases, and one of seen per event from outside); everything else is appended, or is deleted when done.
--
-- Times are integer microseconds. Bodies are JSON in bytes; those of the ledger are canonical and are never rewritten. Where a table
-- has a column `dictionary`, they are packed with it (0: they are not); see packing.py.

CREATE TABLE meta (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    program TEXT NOT NULL,          -- version of the program that made the database
    semantics INTEGER NOT NULL,     -- newest meaning of the kernel that has written here
    n_slots INTEGER NOT NULL,
    incarnation TEXT NOT NULL,
    created INTEGER NOT NULL
);

-- Which life of the database this is, and which file it was lived in: how a copy and a restored backup are told from
-- the database that they were made of.
CREATE TABLE lives (
    life INTEGER PRIMARY KEY,
    incarnation TEXT NOT NULL,
    began INTEGER NOT NULL,
    why TEXT NOT NULL,              -- created, restored, adopted
    file INTEGER                    -- number of the file on its disk; NULL: not seen yet, or in memory
);

-- What bodies were packed with: everything that a reader needs besides deflate itself.
CREATE TABLE dictionaries (
    id INTEGER PRIMARY KEY,
    words BLOB NOT NULL
);

-- One row per slot: the claim, the head of its chain, its clock, and what every unit must know under the claim.
CREATE TABLE slots (
    slot INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL DEFAULT 0,       -- counts units; compare-and-set
    era INTEGER NOT NULL DEFAULT 1,         -- of the next entry; see eras.py
    lsn INTEGER NOT NULL DEFAULT 0,
    head BLOB NOT NULL,
    now INTEGER NOT NULL DEFAULT 0,         -- never decreases
    solo INTEGER NOT NULL DEFAULT 0,        -- 1: a worker died; one message per unit until the suspects are gone
    suspects INTEGER NOT NULL DEFAULT 0,    -- newest arrival that the dead worker can have had in hand
    sent INTEGER NOT NULL DEFAULT 0,        -- last number given in the outbox
    relayed INTEGER NOT NULL DEFAULT 0,     -- last number that left it
    timer_due INTEGER,                      -- earliest timer that may be delivered
    generation INTEGER NOT NULL DEFAULT 0,
    paused TEXT NOT NULL DEFAULT '[]',
    semantics INTEGER NOT NULL
);

-- What was ever accepted from outside, and what it said.
CREATE TABLE seen (
    slot INTEGER NOT NULL,
    automation TEXT NOT NULL,
    key TEXT NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (slot, automation, key, source, id)
) WITHOUT ROWID;

-- Accepted, not yet consumed. Messages of blocked cases stand apart in the key, so that reading past them costs nothing.
-- A heap, so that a backlog is written once and not moved about (measured: 29 us per accepted event, 40 clustered).
CREATE TABLE inbox (
    slot INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    arrival INTEGER NOT NULL,
    nonce TEXT NOT NULL,
    automation TEXT NOT NULL,
    key TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (slot, blocked, arrival, nonce)
);

-- Cases whose messages wait for one in quarantine.
CREATE TABLE blocked (
    slot INTEGER NOT NULL,
    automation TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (slot, automation, key)
) WITHOUT ROWID;

-- A heap in order of creation: cases in flight are neighbours, so a commit rewrites few pages.
CREATE TABLE cases (
    slot INTEGER NOT NULL,
    automation TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    lsn_newest INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    dictionary INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (slot, automation, key)
);
-- For lists only. Both end in the order of creation, so they grow at a few hot pages.
CREATE INDEX cases_by_automation ON cases (automation);
CREATE INDEX cases_by_status ON cases (automation, status);

-- A heap as well: entries of a commit are neighbours, and only the small index is spread over the slots (measured per entry
-- of 1 KB: 0.8 pages of WAL and 22 us, against 2.9 pages and 46 us clustered by slot).
CREATE TABLE ledger (
    slot INTEGER NOT NULL,
    era INTEGER NOT NULL,
    lsn INTEGER NOT NULL,
    hash BLOB NOT NULL,
    dictionary INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (slot, lsn, era)
);

-- Work for the outside. due: when it needs attention next (free: its time; leased: the end of the lease; lost: at once; held: never).
CREATE TABLE commands (
    slot INTEGER NOT NULL,
    id TEXT NOT NULL,
    dependency TEXT NOT NULL,
    due INTEGER,
    state INTEGER NOT NULL,         -- 0 ready, 1 leased, 2 held, 3 lost
    worker TEXT NOT NULL,
    token INTEGER NOT NULL,
    deaths INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (slot, id)
) WITHOUT ROWID;
CREATE INDEX commands_by_due ON commands (dependency, due, slot);

CREATE TABLE timers (
    slot INTEGER NOT NULL,
    automation TEXT NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    due INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (slot, automation, key, kind, name)
) WITHOUT ROWID;
CREATE INDEX timers_by_due ON timers (slot, due);

CREATE TABLE reviews (
    slot INTEGER NOT NULL,
    automation TEXT NOT NULL,
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (slot, automation, key, id)
) WITHOUT ROWID;
CREATE INDEX reviews_by_expiry ON reviews (expires_at);

-- A review stands in the list of each group that it asks.
CREATE TABLE review_groups (
    slot INTEGER NOT NULL,
    automation TEXT NOT NULL,
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (slot, automation, key, id, name)
) WITHOUT ROWID;
CREATE INDEX review_groups_by_name ON review_groups (name, expires_at);

-- What a person is asked to find out, as the case's record has it, for lists.
CREATE TABLE tasks (
    slot INTEGER NOT NULL,
    automation TEXT NOT NULL,
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,             -- the group that is asked
    opened_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (slot, automation, key, id)
) WITHOUT ROWID;
CREATE INDEX tasks_by_age ON tasks (opened_at);

-- Messages to other slots, numbered per sending slot.
CREATE TABLE outbox (
    slot INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    target INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (slot, seq)
) WITHOUT ROWID;

-- Watermark per pair of slots: what `slot` has from `peer`, up to which number.
CREATE TABLE links (
    slot INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (slot, peer)
) WITHOUT ROWID;

CREATE TABLE quarantine (
    slot INTEGER NOT NULL,
    id TEXT NOT NULL,
    automation TEXT NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    blocks INTEGER NOT NULL,
    why TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (slot, id)
) WITHOUT ROWID;

-- Content-addressed: the slot derives from the digest.
CREATE TABLE payloads (
    slot INTEGER NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (slot, digest)
);

CREATE TABLE releases (
    id TEXT PRIMARY KEY,
    automation TEXT NOT NULL,
    manifest BLOB NOT NULL,
    registered_at INTEGER NOT NULL
);

CREATE TABLE workers (
    worker TEXT PRIMARY KEY,
    joined_at INTEGER NOT NULL,
    beat_at INTEGER NOT NULL,
    hosts TEXT NOT NULL DEFAULT '{}'    -- automation -> release, for people who look
) WITHOUT ROWID;

-- The key of each case's personal data; empty once it was destroyed. See seals.py.
CREATE TABLE seals (
    slot INTEGER NOT NULL,
    id TEXT NOT NULL,
    automation TEXT NOT NULL,
    key TEXT NOT NULL,
    secret BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    erased_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (slot, id)
) WITHOUT ROWID;
CREATE INDEX seals_by_case ON seals (slot, automation, key);

-- Whom a case's personal data is about, as a keyed hash.
CREATE TABLE seal_subjects (
    slot INTEGER NOT NULL,
    subject BLOB NOT NULL,
    automation TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (slot, subject, automation, key)
) WITHOUT ROWID;

CREATE TABLE seal_pepper (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    pepper BLOB NOT NULL
);

-- Finished cases, packed, behind those that move. place: where the case lay before, so that a list can go on behind it. See archive.py.
CREATE TABLE archive (
    slot INTEGER NOT NULL,
    automation TEXT NOT NULL,
    key TEXT NOT NULL,
    place INTEGER NOT NULL,
    version INTEGER NOT NULL,
    lsn_newest INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    dictionary INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (slot, automation, key)
);
CREATE INDEX archive_by_automation ON archive (automation);

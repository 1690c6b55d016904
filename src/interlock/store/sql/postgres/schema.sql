-- The layout of the store on PostgreSQL as it is made new. A database of an older layout gets there by `migrations/`, number after number.
--
-- slot comes first in every key of every table that has one, so the tables can be split by it: over partitions, nodes or databases. A
-- table without a slot is small and the same for all. There are no sequences, triggers and foreign keys.
--
-- Text is compared by its bytes (COLLATE "C"), and holds no NUL: wire.py writes one in another way. Times are integer microseconds.
-- Bodies are JSON in bytes; those of the ledger are canonical and are never rewritten. Where a table has a column `dictionary`, they are
-- packed with it (0: they are not); see packing.py. [slots] is where a table's partitioning stands, if it is asked for.

CREATE TABLE meta (
    one int4 PRIMARY KEY CHECK (one = 1),
    application text COLLATE "C" NOT NULL CHECK (application = 'interlock'),
    layout int4 NOT NULL,           -- number of the layout that the tables have
    program text COLLATE "C" NOT NULL,  -- version of the program that made the database
    semantics int4 NOT NULL,        -- newest meaning of the kernel that has written here
    n_slots int4 NOT NULL,
    incarnation text COLLATE "C" NOT NULL,
    created int8 NOT NULL
);

-- Which life of the database this is, and where it was lived: how a copy and a restored backup are told from the
-- database that they were made of.
CREATE TABLE lives (
    life int4 PRIMARY KEY,
    incarnation text COLLATE "C" NOT NULL,
    began int8 NOT NULL,
    why text COLLATE "C" NOT NULL,  -- created, restored, adopted
    place text COLLATE "C"          -- server, database and timeline that it is lived in
);

-- What bodies were packed with: everything that a reader needs besides the compression itself.
CREATE TABLE dictionaries (
    id int4 PRIMARY KEY,
    words bytea NOT NULL
);

-- One row per slot: the claim, the head of its chain, its clock, and what every unit must know under the claim.
CREATE TABLE slots (
    slot int4 PRIMARY KEY,
    epoch int8 NOT NULL DEFAULT 0,          -- counts units; compare-and-set
    era int4 NOT NULL DEFAULT 1,
    lsn int8 NOT NULL DEFAULT 0,
    head bytea NOT NULL,
    now int8 NOT NULL DEFAULT 0,            -- never decreases
    solo int4 NOT NULL DEFAULT 0,           -- 1: a worker died; one message per unit until the suspects are gone
    suspects int8 NOT NULL DEFAULT 0,       -- newest arrival that the dead worker can have had in hand
    sent int8 NOT NULL DEFAULT 0,           -- last number given in the outbox
    relayed int8 NOT NULL DEFAULT 0,        -- last number that left it
    timer_due int8,                         -- earliest timer that may be delivered
    generation int8 NOT NULL DEFAULT 0,
    paused text COLLATE "C" NOT NULL DEFAULT '[]',
    semantics int4 NOT NULL,
    placed int8 NOT NULL DEFAULT 0          -- newest moment that a case of the slot was given as its place; never decreases
) [slots];

-- What was ever accepted from outside, and what it said.
CREATE TABLE seen (
    slot int4 NOT NULL,
    automation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (slot, automation, key, source, id)
) [slots];

-- Accepted, not yet consumed. Messages of blocked cases stand apart in the key, so that reading past them costs little; they are put
-- there by whoever holds the slot's claim and finds them (unit.py), since a door does not wait for a claim.
CREATE TABLE inbox (
    slot int4 NOT NULL,
    blocked int4 NOT NULL,
    arrival int8 NOT NULL,
    nonce text COLLATE "C" NOT NULL,
    automation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    attempts int4 NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (slot, blocked, arrival, nonce)
) [slots];

-- Cases whose messages wait for one in quarantine.
CREATE TABLE blocked (
    slot int4 NOT NULL,
    automation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (slot, automation, key)
) [slots];

-- place: a number that grows with creation, for lists. Microseconds since 2026, then the slot.
CREATE TABLE cases (
    slot int4 NOT NULL,
    automation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    place int8 NOT NULL,
    version int8 NOT NULL,
    lsn_newest int8 NOT NULL,
    updated_at int8 NOT NULL,
    status text COLLATE "C" NOT NULL,
    dictionary int4 NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (slot, automation, key)
) [slots];
-- For lists only. Both end in the order of creation, so they grow at a few hot pages.
CREATE INDEX cases_by_automation ON cases (automation, place);
CREATE INDEX cases_by_status ON cases (automation, status, place);

CREATE TABLE ledger (
    slot int4 NOT NULL,
    era int4 NOT NULL,
    lsn int8 NOT NULL,
    hash bytea NOT NULL,
    dictionary int4 NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (slot, lsn, era)
) [slots];

-- Work for the outside. due: when it needs attention next (free: its time; leased: the end of the lease; lost: at once; held: never).
CREATE TABLE commands (
    slot int4 NOT NULL,
    id text COLLATE "C" NOT NULL,
    dependency text COLLATE "C" NOT NULL,
    due int8,
    state int4 NOT NULL,            -- 0 ready, 1 leased, 2 held, 3 lost
    worker text COLLATE "C" NOT NULL,
    token int8 NOT NULL,
    deaths int4 NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (slot, id)
) [slots];
CREATE INDEX commands_by_due ON commands (dependency, due, slot);

CREATE TABLE timers (
    slot int4 NOT NULL,
    automation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    due int8 NOT NULL,
    generation int8 NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (slot, automation, key, kind, name)
) [slots];
CREATE INDEX timers_by_due ON timers (slot, due);

CREATE TABLE reviews (
    slot int4 NOT NULL,
    automation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    expires_at int8 NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (slot, automation, key, id)
) [slots];
CREATE INDEX reviews_by_expiry ON reviews (expires_at);

-- A review stands in the list of each group that it asks.
CREATE TABLE review_groups (
    slot int4 NOT NULL,
    automation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    expires_at int8 NOT NULL,
    PRIMARY KEY (slot, automation, key, id, name)
) [slots];
CREATE INDEX review_groups_by_name ON review_groups (name, expires_at);

-- What a person is asked to find out, as the case's record has it, for lists.
CREATE TABLE tasks (
    slot int4 NOT NULL,
    automation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL, -- the group that is asked
    opened_at int8 NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (slot, automation, key, id)
) [slots];
CREATE INDEX tasks_by_age ON tasks (opened_at);

-- Messages to other slots, numbered per sending slot.
CREATE TABLE outbox (
    slot int4 NOT NULL,
    seq int8 NOT NULL,
    target int4 NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (slot, seq)
) [slots];

-- Watermark per pair of slots: what `slot` has from `peer`, up to which number.
CREATE TABLE links (
    slot int4 NOT NULL,
    peer int4 NOT NULL,
    seq int8 NOT NULL,
    PRIMARY KEY (slot, peer)
) [slots];

CREATE TABLE quarantine (
    slot int4 NOT NULL,
    id text COLLATE "C" NOT NULL,
    automation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    at int8 NOT NULL,
    blocks int4 NOT NULL,
    why text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (slot, id)
) [slots];

-- Content-addressed: the slot derives from the digest.
CREATE TABLE payloads (
    slot int4 NOT NULL,
    digest text COLLATE "C" NOT NULL,
    media_type text COLLATE "C" NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (slot, digest)
) [slots];

CREATE TABLE releases (
    id text COLLATE "C" PRIMARY KEY,
    automation text COLLATE "C" NOT NULL,
    manifest bytea NOT NULL,
    registered_at int8 NOT NULL
);

-- Who works here. joined_at and beat_at are for people; what is believed is seen_at, by the server's clock, and whether the session
-- (process and moment of its start) that the worker last wrote from is still there. See liveness.py.
CREATE TABLE workers (
    worker text COLLATE "C" PRIMARY KEY,
    joined_at int8 NOT NULL,
    beat_at int8 NOT NULL,
    holder text COLLATE "C" NOT NULL,   -- the store that the worker lives in
    seen_at timestamptz NOT NULL,
    process int4 NOT NULL,
    process_start timestamptz,
    hosts text COLLATE "C" NOT NULL DEFAULT '{}'   -- automation -> release, for people who look
);

-- The key of each case's personal data; empty once it was destroyed. See seals.py.
CREATE TABLE seals (
    slot int4 NOT NULL,
    id text COLLATE "C" NOT NULL,
    automation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    secret bytea NOT NULL,
    made_at int8 NOT NULL,
    erased_at int8 NOT NULL DEFAULT 0,
    PRIMARY KEY (slot, id)
) [slots];
CREATE INDEX seals_by_case ON seals (slot, automation, key);
-- A door and a unit may both come to need the first key of a case at the same moment.
CREATE UNIQUE INDEX seals_live ON seals (slot, automation, key) WHERE erased_at = 0;

-- Whom a case's personal data is about, as a keyed hash.
CREATE TABLE seal_subjects (
    slot int4 NOT NULL,
    subject bytea NOT NULL,
    automation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (slot, subject, automation, key)
) [slots];

CREATE TABLE seal_pepper (
    one int4 PRIMARY KEY CHECK (one = 1),
    pepper bytea NOT NULL
);

-- Finished cases, packed, behind those that move. place: as the case had it; filed: a number that grows with being put away.
CREATE TABLE archive (
    slot int4 NOT NULL,
    automation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    place int8 NOT NULL,
    filed int8 NOT NULL,
    version int8 NOT NULL,
    lsn_newest int8 NOT NULL,
    updated_at int8 NOT NULL,
    status text COLLATE "C" NOT NULL,
    dictionary int4 NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (slot, automation, key)
) [slots];
CREATE INDEX archive_by_automation ON archive (automation, filed);

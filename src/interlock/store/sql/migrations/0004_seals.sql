-- Keys of personal data, one per case.
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

-- Finished cases leave the table of those that move.

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

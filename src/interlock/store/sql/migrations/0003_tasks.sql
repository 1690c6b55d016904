-- What a person is asked to find out, as the case's record has it, for lists. No older record has any; a doubt of theirs
-- that nobody probes is found by `interlock verify`.

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

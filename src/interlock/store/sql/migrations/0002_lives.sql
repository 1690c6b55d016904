-- Which life of the database this is, and which file it was lived in: how a copy and a restored backup are told from
-- the database that they were made of.

CREATE TABLE lives (
    life INTEGER PRIMARY KEY,
    incarnation TEXT NOT NULL,
    began INTEGER NOT NULL,
    why TEXT NOT NULL,              -- created, restored, adopted
    file INTEGER                    -- number of the file on its disk; NULL: not seen yet, or in memory
);

INSERT INTO lives (life, incarnation, began, why) SELECT 1, incarnation, created, 'created' FROM meta;

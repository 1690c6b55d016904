-- Every statement of the store on SQLite, by name. A statement used by a unit binds one slot.
-- Format: a line with a name, then comments and one statement up to the next name.


-- === the door ===

-- name: seen_add
INSERT INTO seen (slot, automation, key, source, id, hash) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING

-- name: seen_hash
SELECT hash FROM seen WHERE slot = ? AND automation = ? AND key = ? AND source = ? AND id = ?

-- name: inbox_add
-- Behind everything that waits in the slot, whatever the clock says: the arrival is a number, not a time to be trusted.
-- 1 slot, 2 least arrival, 3 nonce, 4 automation, 5 key, 6 body
INSERT INTO inbox (slot, blocked, arrival, nonce, automation, key, attempts, body)
VALUES (
    ?1,
    EXISTS (SELECT 1 FROM blocked WHERE slot = ?1 AND automation = ?4 AND key = ?5),
    max(
        ?2,
        ifnull((SELECT max(arrival) FROM inbox WHERE slot = ?1 AND blocked = 0), -1) + 1,
        ifnull((SELECT max(arrival) FROM inbox WHERE slot = ?1 AND blocked = 1), -1) + 1
    ),
    ?3, ?4, ?5, 0, ?6
)

-- name: inbox_add_first
-- Before everything that waits in the slot.
INSERT INTO inbox (slot, blocked, arrival, nonce, automation, key, attempts, body)
VALUES (
    ?1,
    EXISTS (SELECT 1 FROM blocked WHERE slot = ?1 AND automation = ?4 AND key = ?5),
    min(
        ?2,
        ifnull((SELECT min(arrival) - 1 FROM inbox WHERE slot = ?1 AND blocked = 0), ?2),
        ifnull((SELECT min(arrival) - 1 FROM inbox WHERE slot = ?1 AND blocked = 1), ?2)
    ),
    ?3, ?4, ?5, 0, ?6
)

-- name: inbox_count
SELECT count(*) FROM inbox

-- name: payload_add
INSERT INTO payloads (slot, digest, media_type, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: payload
SELECT data, media_type FROM payloads WHERE slot = ? AND digest = ?


-- === what is ready ===

-- name: inbox_ready
-- Loose scan: one seek per slot that has rows, not one step per row.
WITH RECURSIVE present (slot) AS (
    SELECT min(slot) FROM inbox
    UNION ALL
    SELECT (SELECT min(slot) FROM inbox WHERE slot > present.slot) FROM present WHERE present.slot IS NOT NULL
)
SELECT slot FROM present
WHERE slot IS NOT NULL AND EXISTS (SELECT 1 FROM inbox WHERE inbox.slot = present.slot AND blocked = 0)

-- name: dependencies
WITH RECURSIVE present (dependency) AS (
    SELECT min(dependency) FROM commands
    UNION ALL
    SELECT (SELECT min(dependency) FROM commands WHERE dependency > present.dependency) FROM present
    WHERE present.dependency IS NOT NULL
)
SELECT dependency FROM present WHERE dependency IS NOT NULL

-- name: commands_ready
-- The longest due first, and not more than a worker can take in hand before it asks again.
SELECT DISTINCT slot FROM (
    SELECT slot FROM commands WHERE dependency = ?1 AND due <= ?2 ORDER BY due LIMIT 512
)

-- name: commands_ready_named
-- All of them, for a reader that stops where it has found enough of those that it can take.
SELECT slot, id FROM commands WHERE dependency = ?1 AND due <= ?2 ORDER BY due

-- name: commands_next
SELECT min(due) FROM commands WHERE dependency = ? AND due > ?

-- name: timers_ready
SELECT slot FROM slots WHERE timer_due <= ?

-- name: timers_next
SELECT min(timer_due) FROM slots WHERE timer_due > ?


-- === a unit reads ===

-- name: slot
-- 1 slot, 2 now. The last four spare a unit the statements that would find nothing.
SELECT epoch, era, lsn, head, now, solo, suspects, sent, relayed, timer_due, generation, paused, semantics,
    EXISTS (SELECT 1 FROM blocked WHERE slot = ?1),
    EXISTS (SELECT 1 FROM inbox WHERE slot = ?1 AND blocked = 0),
    EXISTS (SELECT 1 FROM commands WHERE slot = ?1 AND due <= ?2),
    EXISTS (SELECT 1 FROM archive WHERE slot = ?1)
FROM slots WHERE slot = ?1

-- name: suspects
-- 1 slot, 2 newest suspect arrival
SELECT EXISTS (SELECT 1 FROM inbox WHERE slot = ?1 AND blocked = 0 AND arrival <= ?2)
    OR EXISTS (SELECT 1 FROM commands WHERE slot = ?1 AND state = 3)

-- name: inbox
SELECT arrival, nonce, attempts, body FROM inbox WHERE slot = ? AND blocked = 0 ORDER BY arrival, nonce LIMIT ?

-- name: timers_due
SELECT automation, key, kind, name, due, generation, data FROM timers
WHERE slot = ? AND due <= ? ORDER BY due, automation, key, kind, name LIMIT ?

-- name: timers_due_unblocked
SELECT automation, key, kind, name, due, generation, data FROM timers
WHERE slot = ?1 AND due <= ?2 AND NOT EXISTS (
    SELECT 1 FROM blocked
    WHERE blocked.slot = ?1 AND blocked.automation = timers.automation AND blocked.key = timers.key
)
ORDER BY due, automation, key, kind, name LIMIT ?3

-- name: case
SELECT version, lsn_newest, status, dictionary, body FROM cases WHERE slot = ? AND automation = ? AND key = ?

-- name: commands_due
SELECT id, state, token, deaths, body FROM commands
WHERE slot = ? AND due <= ? ORDER BY due, id LIMIT ?

-- name: commands_due_except
-- 1 slot, 2 now, 3 limit, 4 JSON list of dependencies left out
SELECT id, state, token, deaths, body FROM commands
WHERE slot = ?1 AND due <= ?2 AND dependency NOT IN (SELECT value FROM json_each(?4)) ORDER BY due, id LIMIT ?3


-- === a unit writes ===

-- name: slot_advance
-- 1 slot, 2 epoch before; then what it becomes
UPDATE slots SET epoch = ?2 + 1, lsn = ?3, head = ?4, now = ?5 WHERE slot = ?1 AND epoch = ?2

-- name: ledger_add
INSERT INTO ledger (slot, era, lsn, hash, dictionary, body) VALUES (?, ?, ?, ?, ?, ?)

-- name: case_add
INSERT INTO cases (slot, automation, key, version, lsn_newest, updated_at, status, dictionary, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: case_change
-- 1 to 3 the case, 4 version before; then what it becomes
UPDATE cases SET version = ?5, lsn_newest = ?6, updated_at = ?7, dictionary = ?8, body = ?9
WHERE slot = ?1 AND automation = ?2 AND key = ?3 AND version = ?4

-- name: case_change_status
UPDATE cases SET version = ?5, lsn_newest = ?6, updated_at = ?7, dictionary = ?8, body = ?9, status = ?10
WHERE slot = ?1 AND automation = ?2 AND key = ?3 AND version = ?4

-- name: inbox_drop
DELETE FROM inbox WHERE slot = ? AND blocked = 0 AND arrival = ? AND nonce = ?

-- name: command_lost
UPDATE commands SET state = 3, due = 0, worker = '', deaths = deaths + 1 WHERE slot = ? AND id = ? AND state = 1

-- name: command_drop
DELETE FROM commands WHERE slot = ? AND id = ?

-- name: command_put
-- Put again under the same id, it is the same work: its token and its deaths go on counting.
INSERT INTO commands (slot, id, dependency, due, state, worker, token, deaths, body) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)
ON CONFLICT (slot, id) DO UPDATE SET
    dependency = excluded.dependency, due = excluded.due, state = excluded.state, worker = excluded.worker,
    token = token + excluded.token, body = excluded.body

-- name: command_lease
-- 1 slot, 2 id, 3 worker, 4 until
UPDATE commands SET state = 1, worker = ?3, due = ?4, token = token + 1 WHERE slot = ?1 AND id = ?2

-- name: command_hold
UPDATE commands SET state = 2, worker = '', due = NULL WHERE slot = ? AND id = ?

-- name: timer_drop
DELETE FROM timers WHERE slot = ? AND automation = ? AND key = ? AND kind = ? AND name = ?

-- name: timer_put
INSERT OR REPLACE INTO timers (slot, automation, key, kind, name, due, generation, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: slot_timer_due
-- The earliest timer that may be delivered: those of blocked cases wait.
UPDATE slots SET timer_due = (
    SELECT due FROM timers
    WHERE timers.slot = ?1 AND NOT EXISTS (
        SELECT 1 FROM blocked
        WHERE blocked.slot = ?1 AND blocked.automation = timers.automation AND blocked.key = timers.key
    )
    ORDER BY due LIMIT 1
)
WHERE slot = ?1

-- name: review_put
INSERT OR REPLACE INTO reviews (slot, automation, key, id, expires_at, body) VALUES (?, ?, ?, ?, ?, ?)

-- name: review_drop
DELETE FROM reviews WHERE slot = ? AND automation = ? AND key = ? AND id = ?

-- name: review_group_put
INSERT INTO review_groups (slot, automation, key, id, name, expires_at) VALUES (?, ?, ?, ?, ?, ?)

-- name: review_group_drop
DELETE FROM review_groups WHERE slot = ? AND automation = ? AND key = ? AND id = ?

-- name: tasks_drop
DELETE FROM tasks WHERE slot = ? AND automation = ? AND key = ?

-- name: task_put
INSERT INTO tasks (slot, automation, key, id, name, opened_at, body) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: quarantine_put
INSERT OR REPLACE INTO quarantine (slot, id, automation, key, at, blocks, why, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: quarantine_drop
DELETE FROM quarantine WHERE slot = ? AND id = ?

-- name: blocked_add
INSERT INTO blocked (slot, automation, key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING

-- name: blocked_drop
DELETE FROM blocked WHERE slot = ? AND automation = ? AND key = ?

-- name: inbox_block
UPDATE inbox SET blocked = 1 WHERE slot = ? AND blocked = 0 AND automation = ? AND key = ?

-- name: inbox_unblock
UPDATE inbox SET blocked = 0 WHERE slot = ? AND blocked = 1 AND automation = ? AND key = ?


-- === between slots ===

-- name: outbox_add
INSERT INTO outbox (slot, seq, target, body) VALUES (?, ?, ?, ?)

-- name: outbox
SELECT seq, target, body FROM outbox WHERE slot = ? ORDER BY seq LIMIT ?

-- name: outbox_drop
DELETE FROM outbox WHERE slot = ? AND seq <= ?

-- name: outbox_to
-- 1 slot, 2 JSON list of targets, 3 limit
SELECT seq, target, body FROM outbox
WHERE slot = ?1 AND target IN (SELECT value FROM json_each(?2)) ORDER BY seq LIMIT ?3

-- name: outbox_take
DELETE FROM outbox WHERE slot = ? AND seq = ?

-- name: slot_taken
-- What is left in the outbox says up to where everything has left it.
UPDATE slots SET relayed = coalesce((SELECT min(seq) - 1 FROM outbox WHERE outbox.slot = slots.slot), sent) WHERE slot = ?

-- name: slots_unsent
SELECT slot FROM slots WHERE sent > relayed ORDER BY slot

-- name: slot_sent
UPDATE slots SET sent = ?2 WHERE slot = ?1

-- name: slot_relayed
UPDATE slots SET relayed = ?2 WHERE slot = ?1

-- name: slot_delivered
UPDATE slots SET sent = ?2, relayed = ?2 WHERE slot = ?1

-- name: link
SELECT seq FROM links WHERE slot = ? AND peer = ?

-- name: link_put
INSERT INTO links (slot, peer, seq) VALUES (?, ?, ?) ON CONFLICT (slot, peer) DO UPDATE SET seq = excluded.seq


-- === eras of the ledger ===

-- name: eras
SELECT slot, era FROM slots ORDER BY slot

-- name: era_begin
UPDATE slots SET era = ?1 WHERE era < ?1

-- === solo mode, workers ===

-- name: attempt
UPDATE inbox SET attempts = attempts + 1
WHERE slot = ? AND blocked = 0 AND arrival = ? AND nonce = ? AND attempts = ?

-- name: renew
UPDATE commands SET due = ?4 WHERE slot = ?1 AND id = ?2 AND worker = ?3 AND state = 1

-- name: worker_put
INSERT OR REPLACE INTO workers (worker, joined_at, beat_at) VALUES (?, ?, ?)

-- name: worker_beat
UPDATE workers SET beat_at = ?2 WHERE worker = ?1

-- name: worker_hosts
UPDATE workers SET hosts = ?2 WHERE worker = ?1

-- name: worker_drop
DELETE FROM workers WHERE worker = ?

-- name: workers
SELECT worker FROM workers ORDER BY worker

-- name: slots_in_danger
-- Slots where the dead worker (1) can have had something in hand: waiting messages, its commands, timers due (now: 2).
SELECT slot FROM slots
WHERE EXISTS (SELECT 1 FROM inbox WHERE inbox.slot = slots.slot AND blocked = 0)
    OR EXISTS (SELECT 1 FROM commands WHERE commands.slot = slots.slot AND worker = ?1 AND state = 1)
    OR timer_due <= max(?2, now)
ORDER BY slot

-- name: slot_solo
UPDATE slots SET solo = 1, suspects = ifnull((SELECT max(arrival) FROM inbox WHERE inbox.slot = ?1 AND blocked = 0), 0)
WHERE slot = ?1

-- name: slot_solo_end
UPDATE slots SET solo = 0 WHERE slot = ?

-- name: worker_commands_lost
UPDATE commands SET state = 3, due = 0, worker = '', deaths = deaths + ?2 WHERE worker = ?1 AND state = 1


-- === finished cases ===

-- name: archive_candidates
SELECT rowid, slot, key, updated_at FROM cases WHERE automation = ? AND status = ? AND rowid > ? ORDER BY rowid LIMIT ?

-- name: archive_take
SELECT rowid, version, lsn_newest, updated_at, status, dictionary, body FROM cases
WHERE slot = ? AND automation = ? AND key = ?

-- name: archive_add
INSERT INTO archive (slot, automation, key, place, version, lsn_newest, updated_at, status, dictionary, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: archive_case_drop
DELETE FROM cases WHERE slot = ? AND automation = ? AND key = ?

-- name: archive_case
SELECT version, lsn_newest, status, dictionary, body FROM archive WHERE slot = ? AND automation = ? AND key = ?

-- name: archive_place
SELECT place FROM archive WHERE slot = ? AND automation = ? AND key = ?

-- name: archive_back
INSERT INTO cases (slot, automation, key, version, lsn_newest, updated_at, status, dictionary, body)
SELECT slot, automation, key, version, lsn_newest, updated_at, status, dictionary, body FROM archive
WHERE slot = ? AND automation = ? AND key = ?

-- name: archive_drop
DELETE FROM archive WHERE slot = ? AND automation = ? AND key = ?

-- name: archived
SELECT rowid, dictionary, body FROM archive WHERE automation = ? AND rowid > ? ORDER BY rowid LIMIT ?


-- === keys of personal data ===

-- name: care
-- What this connection frees from here on is overwritten.
PRAGMA secure_delete = ON

-- name: seals_of_case
SELECT id, secret, made_at, erased_at FROM seals
WHERE slot = ? AND automation = ? AND key = ? ORDER BY made_at, erased_at = 0, id

-- name: seal
SELECT automation, key, secret, made_at, erased_at FROM seals WHERE slot = ? AND id = ?

-- name: seal_add
INSERT INTO seals (slot, id, automation, key, secret, made_at) VALUES (?, ?, ?, ?, ?, ?)

-- name: seal_erase
-- 1 slot, 2 automation, 3 key, 4 now
UPDATE seals SET secret = x'', erased_at = ?4
WHERE slot = ?1 AND automation = ?2 AND key = ?3 AND erased_at = 0

-- name: seal_subject_add
INSERT INTO seal_subjects (slot, subject, automation, key) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: seal_subjects
SELECT automation, key FROM seal_subjects WHERE slot = ? AND subject = ? ORDER BY automation, key

-- name: seal_subject_drop
DELETE FROM seal_subjects WHERE slot = ? AND automation = ? AND key = ?

-- name: pepper
SELECT pepper FROM seal_pepper WHERE only = 1

-- name: pepper_add
INSERT INTO seal_pepper (only, pepper) VALUES (1, ?) ON CONFLICT DO NOTHING


-- === control and releases ===

-- name: control_set
UPDATE slots SET generation = generation + 1, epoch = epoch + 1, paused = ?

-- name: control
SELECT generation, paused FROM slots ORDER BY slot LIMIT 1

-- name: commands_release
UPDATE commands SET state = 0, due = json_extract(CAST(body AS TEXT), '$.due') WHERE state = 2

-- name: release_add
INSERT INTO releases (id, automation, manifest, registered_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: release
SELECT automation, manifest FROM releases WHERE id = ?

-- name: releases
SELECT id, automation, registered_at FROM releases ORDER BY registered_at, id


-- === reading ===

-- name: case_place
SELECT rowid FROM cases WHERE slot = ? AND automation = ? AND key = ?

-- name: automations
WITH RECURSIVE present (automation) AS (
    SELECT min(automation) FROM cases
    UNION ALL
    SELECT (SELECT min(automation) FROM cases WHERE automation > present.automation) FROM present
    WHERE present.automation IS NOT NULL
)
SELECT automation FROM present WHERE automation IS NOT NULL

-- name: cases
SELECT rowid, dictionary, body FROM cases WHERE rowid > ? ORDER BY rowid LIMIT ?

-- name: cases_of_automation
SELECT rowid, dictionary, body FROM cases WHERE automation = ? AND rowid > ? ORDER BY rowid LIMIT ?

-- name: cases_in_status
SELECT rowid, dictionary, body FROM cases WHERE automation = ? AND status = ? AND rowid > ? ORDER BY rowid LIMIT ?

-- name: ledger
SELECT dictionary, body, hash FROM ledger WHERE slot = ? AND lsn > ? ORDER BY lsn LIMIT ?

-- name: entry
SELECT dictionary, body FROM ledger WHERE slot = ? AND lsn = ?

-- name: slots_kept
SELECT slot FROM slots

-- name: heads
SELECT slot, lsn, head FROM slots ORDER BY slot

-- name: reviews
SELECT automation, key, body FROM reviews
WHERE ?1 IS NULL OR automation = ?1 ORDER BY expires_at, slot, automation, key, id LIMIT ?2

-- name: reviews_of_group
SELECT r.automation, r.key, r.body FROM review_groups AS g
JOIN reviews AS r ON r.slot = g.slot AND r.automation = g.automation AND r.key = g.key AND r.id = g.id
WHERE g.name = ?3 AND (?1 IS NULL OR g.automation = ?1)
ORDER BY g.expires_at, g.slot, g.automation, g.key, g.id LIMIT ?2

-- name: tasks
SELECT automation, key, body FROM tasks
WHERE (?1 IS NULL OR automation = ?1) AND (?2 IS NULL OR name = ?2)
ORDER BY opened_at, slot, automation, key, id LIMIT ?3

-- name: commands
SELECT slot, state, token, deaths, body FROM commands ORDER BY slot, id

-- name: quarantine
SELECT id, automation, key, at, blocks, why, body FROM quarantine ORDER BY at, slot, id

-- name: sizes
SELECT m.tbl_name, sum(d.pgsize) FROM dbstat AS d JOIN sqlite_master AS m ON m.name = d.name
WHERE d.aggregate = TRUE GROUP BY m.tbl_name


-- === the handshake ===

-- name: meta_add
INSERT INTO meta (only, program, semantics, n_slots, incarnation, created) VALUES (1, ?, ?, ?, ?, ?)

-- name: slot_add
INSERT INTO slots (slot, head, semantics) VALUES (?, ?, ?)

-- name: meta
SELECT program, semantics, n_slots, incarnation FROM meta WHERE only = 1

-- name: life_add
INSERT INTO lives (incarnation, began, why, file) VALUES (?, ?, ?, ?)

-- name: life
SELECT life, incarnation, began, why, file FROM lives ORDER BY life DESC LIMIT 1

-- name: lives
SELECT life, incarnation, began, why FROM lives ORDER BY life

-- name: life_file
-- 1 number of the file
UPDATE lives SET file = ?1 WHERE life = (SELECT max(life) FROM lives)

-- name: meta_incarnation
UPDATE meta SET incarnation = ?

-- name: epochs
-- Grows with every unit that has committed, so it is what a later state of one life has more of.
SELECT sum(epoch) FROM slots

-- name: inbox_condition
-- The arrival of a message is the moment of its acceptance, or a little more.
SELECT automation, count(*), sum(blocked), min(arrival) FROM inbox GROUP BY automation ORDER BY automation

-- name: commands_condition
SELECT dependency, state, count(*), min(due) FROM commands GROUP BY dependency, state ORDER BY dependency, state

-- name: slots_condition
SELECT max(now), sum(solo), sum(sent - relayed) FROM slots

-- name: workers_condition
SELECT worker, joined_at, beat_at, hosts FROM workers ORDER BY worker

-- name: workers_in_hand
SELECT worker, slot, dependency, count(*) FROM commands WHERE state = 1 GROUP BY worker, slot, dependency

-- name: meta_semantics
UPDATE meta SET semantics = ?

-- name: dictionaries
SELECT id, words FROM dictionaries

-- name: dictionary_add
INSERT INTO dictionaries (id, words) VALUES (?, ?)

-- name: slots_semantics
UPDATE slots SET semantics = ?

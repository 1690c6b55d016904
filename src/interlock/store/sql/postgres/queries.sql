-- Every statement of the store on PostgreSQL, by name. One that a role runs has the name that it has on SQLite and means the same; the
-- others are this store's own.
--
-- A parameter carries its type where it first stands ($1::int4). A statement whose parameters are all arrays takes many rows at once, one
-- array per column; a role that runs it for one row gives arrays of one.
--
-- A statement used by a unit binds the slot of each row that it touches.


-- === the door ===

-- name: accept
-- Remember what is new (1 to 6), queue it, and say which of them (by ordinal) were known. A row that is not to be remembered has no hash.
-- Rows are remembered in the order of their key, so that two doors with the same messages wait for each other and not both ways.
WITH given AS (
    SELECT * FROM unnest($1::int4[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bytea[])
        WITH ORDINALITY AS n (slot, automation, key, source, id, hash, body, i)
), remembered AS (
    INSERT INTO seen (slot, automation, key, source, id, hash)
    SELECT slot, automation, key, source, id, hash FROM given
    WHERE hash <> '' ORDER BY slot, automation, key, source, id
    ON CONFLICT DO NOTHING RETURNING slot, automation, key, source, id
), fresh AS (
    SELECT given.* FROM given WHERE hash = '' OR EXISTS (
        SELECT 1 FROM remembered AS r
        WHERE r.slot = given.slot AND r.automation = given.automation AND r.key = given.key
            AND r.source = given.source AND r.id = given.id
    )
), queued AS (
    INSERT INTO inbox (slot, blocked, arrival, nonce, automation, key, attempts, body)
    SELECT f.slot, 0, greatest(
            $8::int8,
            coalesce((SELECT max(arrival) FROM inbox WHERE slot = f.slot AND blocked = 0), -1) + 1,
            coalesce((SELECT max(arrival) FROM inbox WHERE slot = f.slot AND blocked = 1), -1) + 1
        ) + row_number() OVER (PARTITION BY f.slot ORDER BY f.i) - 1,
        f.id, f.automation, f.key, 0, f.body
    FROM fresh AS f
)
SELECT i FROM given WHERE NOT EXISTS (SELECT 1 FROM fresh WHERE fresh.i = given.i) ORDER BY i

-- name: seen_hashes
-- What was said before, of messages that were known, by ordinal.
SELECT n.i, s.hash FROM unnest($1::int4[], $2::text[], $3::text[], $4::text[], $5::text[])
    WITH ORDINALITY AS n (slot, automation, key, source, id, i)
JOIN seen AS s ON s.slot = n.slot AND s.automation = n.automation AND s.key = n.key AND s.source = n.source AND s.id = n.id

-- name: inbox_add
-- Behind everything that waits in the slot, whatever the clock says: the arrival is a number, not a time to be trusted.
-- 1 slot, 2 least arrival, 3 nonce, 4 automation, 5 key, 6 body
INSERT INTO inbox (slot, blocked, arrival, nonce, automation, key, attempts, body)
SELECT n.slot, 0, i + max(greatest(
        least_arrival,
        coalesce((SELECT max(arrival) FROM inbox WHERE slot = n.slot AND blocked = 0), -1) + 1,
        coalesce((SELECT max(arrival) FROM inbox WHERE slot = n.slot AND blocked = 1), -1) + 1
    ) - i) OVER (PARTITION BY n.slot ORDER BY i),
    nonce, automation, key, 0, body
FROM (
    SELECT slot, least_arrival, nonce, automation, key, body, row_number() OVER (PARTITION BY slot ORDER BY all_i) AS i
    FROM unnest($1::int4[], $2::int8[], $3::text[], $4::text[], $5::text[], $6::bytea[])
        WITH ORDINALITY AS n (slot, least_arrival, nonce, automation, key, body, all_i)
) AS n

-- name: inbox_add_first
-- Before everything that waits in the slot.
INSERT INTO inbox (slot, blocked, arrival, nonce, automation, key, attempts, body)
SELECT n.slot, 0, least(
        least_arrival,
        coalesce((SELECT min(arrival) - 1 FROM inbox WHERE slot = n.slot AND blocked = 0), least_arrival),
        coalesce((SELECT min(arrival) - 1 FROM inbox WHERE slot = n.slot AND blocked = 1), least_arrival)
    ),
    nonce, automation, key, 0, body
FROM unnest($1::int4[], $2::int8[], $3::text[], $4::text[], $5::text[], $6::bytea[])
    AS n (slot, least_arrival, nonce, automation, key, body)

-- name: inbox_count
SELECT count(*) FROM inbox

-- name: payload_add
INSERT INTO payloads (slot, digest, media_type, data)
SELECT * FROM unnest($1::int4[], $2::text[], $3::text[], $4::bytea[]) AS n ORDER BY 1, 2 ON CONFLICT DO NOTHING

-- name: payload
SELECT data, media_type FROM payloads WHERE slot = $1::int4 AND digest = $2::text


-- === what is ready ===

-- name: ready
-- 1 now, 2 dependencies left out, 3 automations asked for (NULL: all). Rows (slot, NULL): has work; (NULL, due): a deadline ahead.
-- Of the messages of a slot the first hundred say whether there is work: those of blocked cases are none, and whoever comes for a hundred
-- of them puts them aside.
WITH RECURSIVE present (dependency) AS (
    SELECT min(dependency) FROM commands
    UNION ALL
    SELECT (SELECT min(dependency) FROM commands WHERE dependency > present.dependency) FROM present
    WHERE present.dependency IS NOT NULL
), wanted AS (
    SELECT dependency FROM present WHERE dependency IS NOT NULL AND dependency <> ALL ($2::text[])
), waiting (slot) AS (
    SELECT min(slot) FROM inbox
    UNION ALL
    SELECT (SELECT min(slot) FROM inbox WHERE slot > waiting.slot) FROM waiting WHERE waiting.slot IS NOT NULL
)
SELECT w.slot, NULL::int8 FROM waiting AS w WHERE w.slot IS NOT NULL AND CASE
    WHEN EXISTS (SELECT 1 FROM blocked AS b WHERE b.slot = w.slot) THEN (
        SELECT count(*) >= 100 OR count(*) > count(*) FILTER (WHERE EXISTS (
            SELECT 1 FROM blocked AS b WHERE b.slot = w.slot AND b.automation = m.automation AND b.key = m.key
        ))
        FROM (
            SELECT automation, key FROM inbox WHERE inbox.slot = w.slot AND inbox.blocked = 0
            ORDER BY inbox.arrival LIMIT 100
        ) AS m
    )
    ELSE EXISTS (SELECT 1 FROM inbox WHERE inbox.slot = w.slot AND inbox.blocked = 0) END
UNION ALL
SELECT DISTINCT c.slot, NULL::int8 FROM wanted AS w CROSS JOIN LATERAL (
    SELECT slot FROM commands WHERE commands.dependency = w.dependency AND commands.due <= $1::int8
        AND ($3::text[] IS NULL OR split_part(commands.id, '/', 1) = ANY ($3::text[]))
    ORDER BY commands.due LIMIT 512
) AS c
UNION ALL
SELECT NULL::int4, min(c.due) FROM wanted AS w CROSS JOIN LATERAL (
    SELECT min(commands.due) AS due FROM commands WHERE commands.dependency = w.dependency AND commands.due > $1::int8
) AS c
UNION ALL
SELECT slot, NULL::int8 FROM slots WHERE timer_due <= $1::int8
UNION ALL
SELECT NULL::int4, min(timer_due) FROM slots WHERE timer_due > $1::int8


-- === a unit reads ===

-- name: claim
-- The claim of these slots. One that somebody else holds is left out.
SELECT slot, epoch, era, lsn, head, now, solo, suspects, sent, relayed, timer_due, generation, paused, semantics
FROM slots WHERE slot = ANY ($1::int4[]) ORDER BY slot FOR UPDATE SKIP LOCKED

-- name: claim_waiting
-- The same, waiting for whoever holds them.
SELECT slot FROM slots WHERE slot = ANY ($1::int4[]) ORDER BY slot FOR UPDATE

-- name: claim_all
-- Every slot, waiting for whoever holds it.
SELECT slot FROM slots ORDER BY slot FOR UPDATE

-- name: slots_known
SELECT slot FROM slots WHERE slot = ANY ($1::int4[])

-- name: standing
-- What spares units the statements that would find nothing. After the claim, in a statement of its own: a lock that was waited for or
-- passed over shows the newest row, other tables show what was there when the statement began.
-- 1 slots, 2 now
SELECT n.slot,
    EXISTS (SELECT 1 FROM blocked WHERE blocked.slot = n.slot),
    EXISTS (SELECT 1 FROM commands WHERE commands.slot = n.slot AND due <= $2::int8),
    EXISTS (SELECT 1 FROM archive WHERE archive.slot = n.slot)
FROM unnest($1::int4[]) AS n (slot)

-- name: waiting
-- The first messages of each slot, and whether each one's case is blocked. 1 slots, 2 how many of each
SELECT n.slot, m.arrival, m.nonce, m.attempts, m.body, m.automation, m.key, EXISTS (
    SELECT 1 FROM blocked AS b WHERE b.slot = n.slot AND b.automation = m.automation AND b.key = m.key
)
FROM unnest($1::int4[]) AS n (slot) CROSS JOIN LATERAL (
    SELECT arrival, nonce, attempts, body, automation, key FROM inbox
    WHERE inbox.slot = n.slot AND inbox.blocked = 0 ORDER BY arrival, nonce LIMIT $2::int8
) AS m
ORDER BY n.slot, m.arrival, m.nonce

-- name: set_apart
-- Messages of blocked cases that a door has put among the others.
UPDATE inbox SET blocked = 1 FROM unnest($1::int4[], $2::int8[], $3::text[]) AS n (slot, arrival, nonce)
WHERE inbox.slot = n.slot AND inbox.blocked = 0 AND inbox.arrival = n.arrival AND inbox.nonce = n.nonce

-- name: cases_of
-- Cases of several slots at once.
SELECT c.slot, c.automation, c.key, c.lsn_newest, c.status, c.dictionary, c.body
FROM unnest($1::int4[], $2::text[], $3::text[]) AS n (slot, automation, key)
JOIN cases AS c ON c.slot = n.slot AND c.automation = n.automation AND c.key = n.key

-- name: suspects
-- 1 slot, 2 newest suspect arrival
SELECT EXISTS (SELECT 1 FROM inbox WHERE slot = $1::int4 AND blocked = 0 AND arrival <= $2::int8 AND NOT EXISTS (
        SELECT 1 FROM blocked AS b
        WHERE b.slot = $1::int4 AND b.automation = inbox.automation AND b.key = inbox.key
    ))
    OR EXISTS (SELECT 1 FROM commands WHERE slot = $1::int4 AND state = 3)

-- name: timers_due
SELECT automation, key, kind, name, due, generation, data FROM timers
WHERE slot = $1::int4 AND due <= $2::int8 ORDER BY due, automation, key, kind, name
LIMIT CASE WHEN $3::int8 >= 0 THEN $3::int8 END

-- name: timers_due_unblocked
SELECT automation, key, kind, name, due, generation, data FROM timers
WHERE slot = $1::int4 AND due <= $2::int8 AND NOT EXISTS (
    SELECT 1 FROM blocked
    WHERE blocked.slot = $1::int4 AND blocked.automation = timers.automation AND blocked.key = timers.key
)
ORDER BY due, automation, key, kind, name LIMIT CASE WHEN $3::int8 >= 0 THEN $3::int8 END

-- name: case
SELECT version, lsn_newest, status, dictionary, body FROM cases
WHERE slot = $1::int4 AND automation = $2::text AND key = $3::text

-- name: commands_due
SELECT id, state, token, deaths, body FROM commands
WHERE slot = $1::int4 AND due <= $2::int8 ORDER BY due, id LIMIT CASE WHEN $3::int8 >= 0 THEN $3::int8 END

-- name: commands_due_except
-- 1 slot, 2 now, 3 limit, 4 JSON list of dependencies left out
SELECT id, state, token, deaths, body FROM commands
WHERE slot = $1::int4 AND due <= $2::int8
    AND dependency NOT IN (SELECT value FROM json_array_elements_text($4::text::json) AS e (value))
ORDER BY due, id LIMIT CASE WHEN $3::int8 >= 0 THEN $3::int8 END


-- === a unit writes ===

-- name: slot_advance
-- 1 slot, 2 epoch before; then what it becomes. placed goes on by a moment per entry at least, so each has one of its own.
UPDATE slots SET epoch = slots.epoch + 1, lsn = n.lsn, head = n.head, now = n.now, placed = greatest(
    slots.placed + n.lsn - slots.lsn, (extract(epoch FROM statement_timestamp() - timestamptz '2026-01-01 00:00:00+00') * 1000000)::int8
)
FROM unnest($1::int4[], $2::int8[], $3::int8[], $4::bytea[], $5::int8[]) AS n (slot, epoch, lsn, head, now)
WHERE slots.slot = n.slot AND slots.epoch = n.epoch

-- name: ledger_add
INSERT INTO ledger (slot, era, lsn, hash, dictionary, body)
SELECT * FROM unnest($1::int4[], $2::int4[], $3::int8[], $4::bytea[], $5::int4[], $6::bytea[])

-- name: case_add
-- The place is the moment of the case's newest entry, by the count of the slot's row, which is already the one after the unit.
INSERT INTO cases (slot, automation, key, version, lsn_newest, updated_at, status, dictionary, body, place)
SELECT n.slot, n.automation, n.key, n.version, n.lsn_newest, n.updated_at, n.status, n.dictionary, n.body,
    ((slots.placed - slots.lsn + n.lsn_newest) << 12) | (n.slot & 4095)
FROM unnest(
    $1::int4[], $2::text[], $3::text[], $4::int8[], $5::int8[], $6::int8[], $7::text[], $8::int4[], $9::bytea[]
) AS n (slot, automation, key, version, lsn_newest, updated_at, status, dictionary, body)
JOIN slots ON slots.slot = n.slot
ON CONFLICT DO NOTHING

-- name: case_change
-- 1 to 3 the case, 4 version before; then what it becomes
UPDATE cases SET version = n.version, lsn_newest = n.lsn_newest, updated_at = n.updated_at, dictionary = n.dictionary,
    body = n.body
FROM unnest($1::int4[], $2::text[], $3::text[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::int4[], $9::bytea[])
    AS n (slot, automation, key, before, version, lsn_newest, updated_at, dictionary, body)
WHERE cases.slot = n.slot AND cases.automation = n.automation AND cases.key = n.key AND cases.version = n.before

-- name: case_change_status
UPDATE cases SET version = n.version, lsn_newest = n.lsn_newest, updated_at = n.updated_at, dictionary = n.dictionary,
    body = n.body, status = n.status
FROM unnest(
    $1::int4[], $2::text[], $3::text[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::int4[], $9::bytea[], $10::text[]
) AS n (slot, automation, key, before, version, lsn_newest, updated_at, dictionary, body, status)
WHERE cases.slot = n.slot AND cases.automation = n.automation AND cases.key = n.key AND cases.version = n.before

-- name: inbox_drop
DELETE FROM inbox USING unnest($1::int4[], $2::int8[], $3::text[]) AS n (slot, arrival, nonce)
WHERE inbox.slot = n.slot AND inbox.blocked = 0 AND inbox.arrival = n.arrival AND inbox.nonce = n.nonce

-- name: command_lost
UPDATE commands SET state = 3, due = 0, worker = '', deaths = deaths + 1
FROM unnest($1::int4[], $2::text[]) AS n (slot, id)
WHERE commands.slot = n.slot AND commands.id = n.id AND commands.state = 1

-- name: command_drop
DELETE FROM commands USING unnest($1::int4[], $2::text[]) AS n (slot, id)
WHERE commands.slot = n.slot AND commands.id = n.id

-- name: command_put
-- Put again under the same id, it is the same work: its token and its deaths go on counting.
INSERT INTO commands (slot, id, dependency, due, state, worker, token, deaths, body)
SELECT n.slot, n.id, n.dependency, n.due, n.state, n.worker, n.token, 0, n.body FROM unnest(
    $1::int4[], $2::text[], $3::text[], $4::int8[], $5::int4[], $6::text[], $7::int8[], $8::bytea[]
) AS n (slot, id, dependency, due, state, worker, token, body)
ON CONFLICT (slot, id) DO UPDATE SET
    dependency = excluded.dependency, due = excluded.due, state = excluded.state, worker = excluded.worker,
    token = commands.token + excluded.token, body = excluded.body

-- name: command_lease
-- 1 slot, 2 id, 3 worker, 4 until
UPDATE commands SET state = 1, worker = n.worker, due = n.until, token = token + 1
FROM unnest($1::int4[], $2::text[], $3::text[], $4::int8[]) AS n (slot, id, worker, until)
WHERE commands.slot = n.slot AND commands.id = n.id

-- name: command_hold
UPDATE commands SET state = 2, worker = '', due = NULL FROM unnest($1::int4[], $2::text[]) AS n (slot, id)
WHERE commands.slot = n.slot AND commands.id = n.id

-- name: timer_drop
DELETE FROM timers USING unnest($1::int4[], $2::text[], $3::text[], $4::text[], $5::text[])
    AS n (slot, automation, key, kind, name)
WHERE timers.slot = n.slot AND timers.automation = n.automation AND timers.key = n.key AND timers.kind = n.kind
    AND timers.name = n.name

-- name: timer_put
INSERT INTO timers (slot, automation, key, kind, name, due, generation, data)
SELECT * FROM unnest(
    $1::int4[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::int8[], $8::bytea[]
)
ON CONFLICT (slot, automation, key, kind, name) DO UPDATE SET
    due = excluded.due, generation = excluded.generation, data = excluded.data

-- name: slot_timer_due
-- The earliest timer that may be delivered: those of blocked cases wait.
UPDATE slots SET timer_due = (
    SELECT due FROM timers
    WHERE timers.slot = slots.slot AND NOT EXISTS (
        SELECT 1 FROM blocked
        WHERE blocked.slot = slots.slot AND blocked.automation = timers.automation AND blocked.key = timers.key
    )
    ORDER BY due LIMIT 1
)
FROM unnest($1::int4[]) AS n (slot) WHERE slots.slot = n.slot

-- name: review_put
INSERT INTO reviews (slot, automation, key, id, expires_at, body)
SELECT * FROM unnest($1::int4[], $2::text[], $3::text[], $4::text[], $5::int8[], $6::bytea[])
ON CONFLICT (slot, automation, key, id) DO UPDATE SET expires_at = excluded.expires_at, body = excluded.body

-- name: review_drop
DELETE FROM reviews USING unnest($1::int4[], $2::text[], $3::text[], $4::text[]) AS n (slot, automation, key, id)
WHERE reviews.slot = n.slot AND reviews.automation = n.automation AND reviews.key = n.key AND reviews.id = n.id

-- name: review_group_put
INSERT INTO review_groups (slot, automation, key, id, name, expires_at)
SELECT * FROM unnest($1::int4[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[])

-- name: review_group_drop
DELETE FROM review_groups USING unnest($1::int4[], $2::text[], $3::text[], $4::text[]) AS n (slot, automation, key, id)
WHERE review_groups.slot = n.slot AND review_groups.automation = n.automation AND review_groups.key = n.key
    AND review_groups.id = n.id

-- name: tasks_drop
DELETE FROM tasks USING unnest($1::int4[], $2::text[], $3::text[]) AS n (slot, automation, key)
WHERE tasks.slot = n.slot AND tasks.automation = n.automation AND tasks.key = n.key

-- name: task_put
INSERT INTO tasks (slot, automation, key, id, name, opened_at, body)
SELECT * FROM unnest($1::int4[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::bytea[])

-- name: quarantine_put
INSERT INTO quarantine (slot, id, automation, key, at, blocks, why, body)
SELECT * FROM unnest(
    $1::int4[], $2::text[], $3::text[], $4::text[], $5::int8[], $6::int4[], $7::text[], $8::bytea[]
)
ON CONFLICT (slot, id) DO UPDATE SET
    automation = excluded.automation, key = excluded.key, at = excluded.at, blocks = excluded.blocks,
    why = excluded.why, body = excluded.body

-- name: quarantine_drop
DELETE FROM quarantine USING unnest($1::int4[], $2::text[]) AS n (slot, id)
WHERE quarantine.slot = n.slot AND quarantine.id = n.id

-- name: blocked_add
INSERT INTO blocked (slot, automation, key)
SELECT * FROM unnest($1::int4[], $2::text[], $3::text[]) AS n ON CONFLICT DO NOTHING

-- name: blocked_drop
DELETE FROM blocked USING unnest($1::int4[], $2::text[], $3::text[]) AS n (slot, automation, key)
WHERE blocked.slot = n.slot AND blocked.automation = n.automation AND blocked.key = n.key

-- name: inbox_block
UPDATE inbox SET blocked = 1 FROM unnest($1::int4[], $2::text[], $3::text[]) AS n (slot, automation, key)
WHERE inbox.slot = n.slot AND inbox.blocked = 0 AND inbox.automation = n.automation AND inbox.key = n.key

-- name: inbox_unblock
UPDATE inbox SET blocked = 0 FROM unnest($1::int4[], $2::text[], $3::text[]) AS n (slot, automation, key)
WHERE inbox.slot = n.slot AND inbox.blocked = 1 AND inbox.automation = n.automation AND inbox.key = n.key


-- === between slots ===

-- name: outbox_add
INSERT INTO outbox (slot, seq, target, body) SELECT * FROM unnest($1::int4[], $2::int8[], $3::int4[], $4::bytea[])

-- name: outbox
SELECT seq, target, body FROM outbox WHERE slot = $1::int4 ORDER BY seq LIMIT $2::int8

-- name: outbox_drop
DELETE FROM outbox USING unnest($1::int4[], $2::int8[]) AS n (slot, seq)
WHERE outbox.slot = n.slot AND outbox.seq <= n.seq

-- name: outbox_to
-- 1 slot, 2 JSON list of targets, 3 limit
SELECT seq, target, body FROM outbox
WHERE slot = $1::int4 AND target IN (SELECT value::int4 FROM json_array_elements_text($2::text::json) AS e (value))
ORDER BY seq LIMIT $3::int8

-- name: outbox_take
DELETE FROM outbox USING unnest($1::int4[], $2::int8[]) AS n (slot, seq) WHERE outbox.slot = n.slot AND outbox.seq = n.seq

-- name: slot_taken
-- What is left in the outbox says up to where everything has left it.
UPDATE slots SET relayed = coalesce((SELECT min(seq) - 1 FROM outbox WHERE outbox.slot = slots.slot), sent)
FROM unnest($1::int4[]) AS n (slot) WHERE slots.slot = n.slot

-- name: slots_unsent
SELECT slot FROM slots WHERE sent > relayed ORDER BY slot

-- name: slot_sent
UPDATE slots SET sent = n.seq FROM unnest($1::int4[], $2::int8[]) AS n (slot, seq) WHERE slots.slot = n.slot

-- name: slot_relayed
UPDATE slots SET relayed = n.seq FROM unnest($1::int4[], $2::int8[]) AS n (slot, seq) WHERE slots.slot = n.slot

-- name: slot_delivered
UPDATE slots SET sent = n.seq, relayed = n.seq FROM unnest($1::int4[], $2::int8[]) AS n (slot, seq)
WHERE slots.slot = n.slot

-- name: link
SELECT seq FROM links WHERE slot = $1::int4 AND peer = $2::int4

-- name: link_put
INSERT INTO links (slot, peer, seq) SELECT * FROM unnest($1::int4[], $2::int4[], $3::int8[])
ON CONFLICT (slot, peer) DO UPDATE SET seq = excluded.seq


-- === eras of the ledger ===

-- name: eras
SELECT slot, era FROM slots ORDER BY slot

-- name: era_begin
UPDATE slots SET era = $1::int4 WHERE era < $1::int4


-- === solo mode, workers ===

-- name: attempt
UPDATE inbox SET attempts = attempts + 1
WHERE slot = $1::int4 AND blocked = 0 AND arrival = $2::int8 AND nonce = $3::text AND attempts = $4::int4

-- name: renew
UPDATE commands SET due = n.until FROM unnest($1::int4[], $2::text[], $3::text[], $4::int8[]) AS n (slot, id, worker, until)
WHERE commands.slot = n.slot AND commands.id = n.id AND commands.worker = n.worker AND commands.state = 1

-- name: worker_put
-- Nothing if the name is taken.
INSERT INTO workers (worker, joined_at, beat_at, holder, seen_at, process, process_start)
VALUES ($1::text, $2::int8, $3::int8, current_setting('interlock.holder'), statement_timestamp(), pg_backend_pid(),
    (SELECT backend_start FROM pg_stat_get_activity(pg_backend_pid())))
ON CONFLICT DO NOTHING

-- name: worker_beat
-- 1 worker, 2 now
UPDATE workers SET beat_at = $2::int8, seen_at = statement_timestamp()
WHERE worker = $1::text AND holder = current_setting('interlock.holder')

-- name: worker_hosts
UPDATE workers SET hosts = $2::text WHERE worker = $1::text

-- name: worker_moved
-- Workers of this store write from another session now.
UPDATE workers SET seen_at = statement_timestamp(), process = pg_backend_pid(),
    process_start = (SELECT backend_start FROM pg_stat_get_activity(pg_backend_pid()))
WHERE holder = current_setting('interlock.holder')

-- name: worker_gone
-- Workers of this store have ended without leaving.
UPDATE workers SET seen_at = '-infinity', process = 0, process_start = NULL
WHERE holder = current_setting('interlock.holder')

-- name: worker_states
-- Who is registered, whether it is in this store, and whether it is dead by the server's clock: silent for so long (1), or without a
-- session for so long (2), which a server that has just started says of everybody. Microseconds. The session of another role is not seen.
SELECT w.worker, w.holder = current_setting('interlock.holder'),
    w.seen_at < statement_timestamp() - $1::int8 * interval '1 microsecond' OR (
        greatest(w.seen_at, pg_postmaster_start_time()) < statement_timestamp() - $2::int8 * interval '1 microsecond'
        AND NOT EXISTS (
            SELECT 1 FROM pg_stat_get_activity(w.process) AS a
            WHERE a.backend_start = w.process_start OR a.backend_start IS NULL
        )
    )
FROM workers AS w ORDER BY w.worker

-- name: worker_take
-- The right to bury these workers, if nobody else is about to.
SELECT worker FROM workers WHERE worker = ANY ($1::text[]) ORDER BY worker FOR UPDATE SKIP LOCKED

-- name: worker_end
-- End the session of a worker that is taken for dead, so that a claim it holds is free: it may be stopped, not gone.
SELECT pg_terminate_backend(a.pid) FROM workers AS w
JOIN LATERAL pg_stat_get_activity(w.process) AS a ON a.backend_start = w.process_start
WHERE w.worker = ANY ($1::text[]) AND w.process <> pg_backend_pid()

-- name: worker_drop
DELETE FROM workers WHERE worker = $1::text

-- name: workers
SELECT worker FROM workers ORDER BY worker

-- name: slots_in_danger
-- Slots where the dead worker (1) can have had something in hand: waiting messages, its commands, timers due (now: 2).
SELECT slot FROM slots
WHERE EXISTS (SELECT 1 FROM inbox WHERE inbox.slot = slots.slot AND blocked = 0)
    OR EXISTS (SELECT 1 FROM commands WHERE commands.slot = slots.slot AND worker = $1::text AND state = 1)
    OR timer_due <= greatest($2::int8, now)
ORDER BY slot FOR UPDATE

-- name: slot_solo
UPDATE slots SET solo = 1, suspects = coalesce(
    (SELECT max(arrival) FROM inbox WHERE inbox.slot = slots.slot AND blocked = 0), 0
)
WHERE slot = $1::int4

-- name: slot_solo_end
UPDATE slots SET solo = 0 WHERE slot = $1::int4

-- name: worker_commands_lost
UPDATE commands SET state = 3, due = 0, worker = '', deaths = deaths + $2::int4 WHERE worker = $1::text AND state = 1


-- === finished cases ===

-- name: archive_candidates
SELECT place, slot, key, updated_at FROM cases
WHERE automation = $1::text AND status = $2::text AND place > $3::int8 ORDER BY place LIMIT $4::int8

-- name: archive_take
SELECT place, version, lsn_newest, updated_at, status, dictionary, body FROM cases
WHERE slot = $1::int4 AND automation = $2::text AND key = $3::text

-- name: archive_add
WITH filed AS (
    UPDATE slots SET placed = placed + 1 WHERE slot = $1::int4 RETURNING (placed << 12) | (slot & 4095) AS number
)
INSERT INTO archive (slot, automation, key, place, version, lsn_newest, updated_at, status, dictionary, body, filed)
SELECT $1::int4, $2::text, $3::text, $4::int8, $5::int8, $6::int8, $7::int8, $8::text, $9::int4, $10::bytea, filed.number
FROM filed

-- name: archive_case_drop
DELETE FROM cases WHERE slot = $1::int4 AND automation = $2::text AND key = $3::text

-- name: archive_case
SELECT version, lsn_newest, status, dictionary, body FROM archive
WHERE slot = $1::int4 AND automation = $2::text AND key = $3::text

-- name: archive_place
SELECT place FROM archive WHERE slot = $1::int4 AND automation = $2::text AND key = $3::text

-- name: archive_back
INSERT INTO cases (slot, automation, key, place, version, lsn_newest, updated_at, status, dictionary, body)
SELECT slot, automation, key, place, version, lsn_newest, updated_at, status, dictionary, body FROM archive
WHERE slot = $1::int4 AND automation = $2::text AND key = $3::text

-- name: archive_drop
DELETE FROM archive WHERE slot = $1::int4 AND automation = $2::text AND key = $3::text

-- name: archived
SELECT filed, dictionary, body FROM archive
WHERE automation = $1::text AND filed > $2::int8 ORDER BY filed LIMIT $3::int8


-- === keys of personal data ===

-- name: seals_of_case
SELECT id, secret, made_at, erased_at FROM seals
WHERE slot = $1::int4 AND automation = $2::text AND key = $3::text ORDER BY made_at, erased_at = 0, id

-- name: seal
SELECT automation, key, secret, made_at, erased_at FROM seals WHERE slot = $1::int4 AND id = $2::text

-- name: seal_add
INSERT INTO seals (slot, id, automation, key, secret, made_at)
VALUES ($1::int4, $2::text, $3::text, $4::text, $5::bytea, $6::int8)

-- name: seal_erase
-- 1 slot, 2 automation, 3 key, 4 now
UPDATE seals SET secret = '', erased_at = $4::int8
WHERE slot = $1::int4 AND automation = $2::text AND key = $3::text AND erased_at = 0

-- name: seal_subject_add
INSERT INTO seal_subjects (slot, subject, automation, key) VALUES ($1::int4, $2::bytea, $3::text, $4::text)
ON CONFLICT DO NOTHING

-- name: seal_subjects
SELECT automation, key FROM seal_subjects WHERE slot = $1::int4 AND subject = $2::bytea ORDER BY automation, key

-- name: seal_subject_drop
DELETE FROM seal_subjects WHERE slot = $1::int4 AND automation = $2::text AND key = $3::text

-- name: pepper
SELECT pepper FROM seal_pepper WHERE one = 1

-- name: pepper_add
INSERT INTO seal_pepper (one, pepper) VALUES (1, $1::bytea) ON CONFLICT DO NOTHING


-- === control and releases ===

-- name: control_set
UPDATE slots SET generation = generation + 1, epoch = epoch + 1, paused = $1::text

-- name: control
SELECT generation, paused FROM slots ORDER BY slot LIMIT 1

-- name: commands_release
UPDATE commands SET state = 0, due = (convert_from(body, 'UTF8')::json ->> 'due')::int8 WHERE state = 2

-- name: release_add
INSERT INTO releases (id, automation, manifest, registered_at) VALUES ($1::text, $2::text, $3::bytea, $4::int8)
ON CONFLICT DO NOTHING

-- name: release
SELECT automation, manifest FROM releases WHERE id = $1::text

-- name: releases
SELECT id, automation, registered_at FROM releases ORDER BY registered_at, id


-- === reading ===

-- name: case_place
SELECT place FROM cases WHERE slot = $1::int4 AND automation = $2::text AND key = $3::text

-- name: automations
WITH RECURSIVE present (automation) AS (
    SELECT min(automation) FROM cases
    UNION ALL
    SELECT (SELECT min(automation) FROM cases WHERE automation > present.automation) FROM present
    WHERE present.automation IS NOT NULL
)
SELECT automation FROM present WHERE automation IS NOT NULL

-- name: cases
-- The first of each automation, and of those the first.
WITH RECURSIVE present (automation) AS (
    SELECT min(automation) FROM cases
    UNION ALL
    SELECT (SELECT min(automation) FROM cases WHERE automation > present.automation) FROM present
    WHERE present.automation IS NOT NULL
)
SELECT c.place, c.dictionary, c.body FROM present CROSS JOIN LATERAL (
    SELECT place, dictionary, body FROM cases
    WHERE cases.automation = present.automation AND place > $1::int8 ORDER BY place LIMIT $2::int8
) AS c
ORDER BY c.place LIMIT $2::int8

-- name: cases_of_automation
SELECT place, dictionary, body FROM cases WHERE automation = $1::text AND place > $2::int8 ORDER BY place LIMIT $3::int8

-- name: cases_in_status
SELECT place, dictionary, body FROM cases
WHERE automation = $1::text AND status = $2::text AND place > $3::int8 ORDER BY place LIMIT $4::int8

-- name: ledger
SELECT dictionary, body, hash FROM ledger WHERE slot = $1::int4 AND lsn > $2::int8 ORDER BY lsn LIMIT $3::int8

-- name: entry
SELECT dictionary, body FROM ledger WHERE slot = $1::int4 AND lsn = $2::int8

-- name: slots_kept
SELECT slot FROM slots

-- name: heads
SELECT slot, lsn, head FROM slots ORDER BY slot

-- name: reviews
SELECT automation, key, body FROM reviews
WHERE $1::text IS NULL OR automation = $1::text ORDER BY expires_at, slot, automation, key, id LIMIT $2::int8

-- name: reviews_of_group
SELECT r.automation, r.key, r.body FROM review_groups AS g
JOIN reviews AS r ON r.slot = g.slot AND r.automation = g.automation AND r.key = g.key AND r.id = g.id
WHERE g.name = $3::text AND ($1::text IS NULL OR g.automation = $1::text)
ORDER BY g.expires_at, g.slot, g.automation, g.key, g.id LIMIT $2::int8

-- name: tasks
SELECT automation, key, body FROM tasks
WHERE ($1::text IS NULL OR automation = $1::text) AND ($2::text IS NULL OR name = $2::text)
ORDER BY opened_at, slot, automation, key, id LIMIT $3::int8

-- name: commands
SELECT slot, state, token, deaths, body FROM commands ORDER BY slot, id

-- name: quarantine
SELECT id, automation, key, at, blocks, why, body FROM quarantine ORDER BY at, slot, id

-- name: sizes
SELECT coalesce(r.relname, c.relname)::text, sum(pg_total_relation_size(c.oid))::int8
FROM pg_class AS c LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid LEFT JOIN pg_class AS r ON r.oid = i.inhparent
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' GROUP BY 1


-- === the handshake ===

-- name: meta_add
INSERT INTO meta (one, application, layout, program, semantics, n_slots, incarnation, created)
VALUES (1, 'interlock', $1::int4, $2::text, $3::int4, $4::int4, $5::text, $6::int8)

-- name: slot_add
INSERT INTO slots (slot, head, semantics) SELECT * FROM unnest($1::int4[], $2::bytea[], $3::int4[])

-- name: meta
SELECT program, semantics, n_slots, incarnation FROM meta WHERE one = 1

-- name: layout
SELECT layout FROM meta WHERE one = 1

-- name: layout_set
UPDATE meta SET layout = $1::int4

-- name: is_new
-- Whether there is the schema, whether anything is called meta in it, and whether that is ours.
SELECT current_schema() IS NOT NULL, to_regclass(quote_ident(current_schema()) || '.meta') IS NOT NULL, EXISTS (
    SELECT 1 FROM pg_attribute
    WHERE attrelid = to_regclass(quote_ident(current_schema()) || '.meta') AND attname = 'application'
)

-- name: life_add
INSERT INTO lives (life, incarnation, began, why, place)
SELECT coalesce(max(life), 0) + 1, $1::text, $2::int8, $3::text, $4::text FROM lives

-- name: life
SELECT life, incarnation, began, why, place FROM lives ORDER BY life DESC LIMIT 1

-- name: lives
SELECT life, incarnation, began, why FROM lives ORDER BY life

-- name: life_file
UPDATE lives SET place = $1::text WHERE life = (SELECT max(life) FROM lives)

-- name: meta_incarnation
UPDATE meta SET incarnation = $1::text

-- name: place
-- Which server, database and schema this is, and on which timeline: another one after a restore or a promotion.
SELECT (SELECT system_identifier::text FROM pg_control_system()), d.oid::int8, current_schema()::regnamespace::oid::int8,
    (SELECT timeline_id FROM pg_control_checkpoint())
FROM pg_database AS d WHERE d.datname = current_database()

-- name: epochs
-- Grows with every unit that has committed, so it is what a later state of one life has more of.
SELECT sum(epoch)::int8 FROM slots

-- name: inbox_condition
-- The arrival of a message is the moment of its acceptance, or a little more.
SELECT automation, count(*), count(*) FILTER (WHERE EXISTS (
    SELECT 1 FROM blocked AS b WHERE b.slot = inbox.slot AND b.automation = inbox.automation AND b.key = inbox.key
)), min(arrival) FROM inbox GROUP BY automation ORDER BY automation

-- name: commands_condition
SELECT dependency, state, count(*), min(due) FROM commands GROUP BY dependency, state ORDER BY dependency, state

-- name: slots_condition
SELECT max(now), sum(solo)::int8, sum(sent - relayed)::int8 FROM slots

-- name: workers_in_hand
SELECT worker, slot, dependency, count(*) FROM commands WHERE state = 1 GROUP BY worker, slot, dependency

-- name: workers_condition
SELECT worker, joined_at, beat_at, hosts FROM workers ORDER BY worker

-- name: meta_semantics
UPDATE meta SET semantics = $1::int4

-- name: dictionaries
SELECT id, words FROM dictionaries

-- name: dictionary_add
INSERT INTO dictionaries (id, words) VALUES ($1::int4, $2::bytea)

-- name: slots_semantics
UPDATE slots SET semantics = $1::int4


-- === the session ===

-- name: transaction
-- The number of this transaction and the life of the server that gave it, to ask later what became of it.
SELECT pg_current_xact_id()::text || '@' || extract(epoch FROM pg_postmaster_start_time())::text

-- name: transaction_fate
-- A server that was killed gives the number of a transaction that it lost to another one: in its next life the number says nothing.
SELECT CASE WHEN split_part($1::text, '@', 2) = extract(epoch FROM pg_postmaster_start_time())::text
    THEN pg_xact_status(split_part($1::text, '@', 1)::xid8) ELSE 'aborted' END

-- name: settings
-- What decides how durable a commit is.
SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
    pg_is_in_recovery()

-- name: clock
-- Microseconds of the server's clock.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8

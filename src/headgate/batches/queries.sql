-- name: add_file
INSERT INTO batches.files
    (tenant, id, owner, purpose, key, name, size_bytes, labels, batch, created_at, expires_at)
VALUES (%(tenant)s, %(id)s, %(owner)s, %(purpose)s, %(key)s, %(name)s, %(size_bytes)s, %(labels)s, %(batch)s,
    %(created_at)s, %(expires_at)s)

-- name: add_piece
INSERT INTO batches.pieces (tenant, file, number, body) VALUES (%(tenant)s, %(file)s, %(number)s, %(body)s)

-- name: kept_bytes
SELECT coalesce(sum(size_bytes), 0) FROM batches.files
WHERE tenant = %(tenant)s AND owner = %(owner)s AND batch IS NULL AND expires_at > %(now)s

-- name: file
SELECT id, owner, purpose, key, name, size_bytes, labels, batch, created_at, expires_at FROM batches.files
WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s AND expires_at > %(now)s

-- name: files
SELECT id, owner, purpose, key, name, size_bytes, labels, batch, created_at, expires_at FROM batches.files
WHERE tenant = %(tenant)s AND owner = %(owner)s AND expires_at > %(now)s AND purpose <> 'messages_batch'
    AND (%(purpose)s::text IS NULL OR purpose = %(purpose)s) AND (%(before)s::text IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s

-- name: oldest_files
SELECT id, owner, purpose, key, name, size_bytes, labels, batch, created_at, expires_at FROM batches.files
WHERE tenant = %(tenant)s AND owner = %(owner)s AND expires_at > %(now)s AND purpose <> 'messages_batch'
    AND (%(purpose)s::text IS NULL OR purpose = %(purpose)s) AND (%(before)s::text IS NULL OR id > %(before)s)
ORDER BY id LIMIT %(limit)s

-- name: piece
SELECT body FROM batches.pieces WHERE tenant = %(tenant)s AND file = %(file)s AND number = %(number)s

-- name: delete_file
DELETE FROM batches.files WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s

-- name: delete_old_files
DELETE FROM batches.files WHERE tenant = %(tenant)s AND expires_at <= %(now)s

-- name: delete_lines_of_file
DELETE FROM batches.lines WHERE tenant = %(tenant)s AND batch = %(batch)s AND (outcome = 'succeeded') = %(is_output)s

-- name: add_batch
INSERT INTO batches.batches
    (tenant, id, owner, wire, endpoint, use_case, api_key, input, key, facts, floor, labels, state, total, created_at,
    expires_at, keeps_until)
VALUES (%(tenant)s, %(id)s, %(owner)s, %(wire)s, %(endpoint)s, %(use_case)s, %(api_key)s, %(input)s, %(key)s,
    %(facts)s, %(floor)s, %(labels)s, %(state)s, %(total)s, %(created_at)s, %(expires_at)s, %(keeps_until)s)

-- name: count_open
SELECT count(*) FROM batches.batches WHERE tenant = %(tenant)s AND owner = %(owner)s AND ended_at IS NULL

-- name: batch
SELECT id, owner, wire, endpoint, use_case, api_key, input, key, facts, floor, labels, state, fault, total, succeeded,
    errored, canceled, expired, handed, faults, output, errors, created_at, started_at, cancelled_at, ended_at, expires_at, keeps_until
FROM batches.batches WHERE tenant = %(tenant)s AND id = %(id)s

-- name: batches
-- Those of one owner on one wire, or of everybody on any wire; the newest first.
SELECT id, owner, wire, endpoint, use_case, api_key, input, key, facts, floor, labels, state, fault, total, succeeded,
    errored, canceled, expired, handed, faults, output, errors, created_at, started_at, cancelled_at, ended_at, expires_at, keeps_until
FROM batches.batches
WHERE tenant = %(tenant)s AND (%(owner)s::text IS NULL OR owner = %(owner)s)
    AND (%(wire)s::text IS NULL OR wire = %(wire)s) AND (%(before)s::text IS NULL OR id < %(before)s)
    AND keeps_until > %(now)s
ORDER BY id DESC LIMIT %(limit)s

-- name: batches_after
-- The page before a batch, in the other order.
SELECT id, owner, wire, endpoint, use_case, api_key, input, key, facts, floor, labels, state, fault, total, succeeded,
    errored, canceled, expired, handed, faults, output, errors, created_at, started_at, cancelled_at, ended_at, expires_at, keeps_until
FROM batches.batches
WHERE tenant = %(tenant)s AND owner = %(owner)s AND wire = %(wire)s AND id > %(after)s AND keeps_until > %(now)s
ORDER BY id LIMIT %(limit)s

-- name: start_batch
UPDATE batches.batches SET state = CASE state WHEN 'validating' THEN 'in_progress' ELSE state END, total = %(total)s,
    started_at = coalesce(started_at, %(now)s)
WHERE tenant = %(tenant)s AND id = %(id)s

-- name: note_handed
UPDATE batches.batches SET handed = handed + %(count)s WHERE tenant = %(tenant)s AND id = %(id)s

-- name: cancel_batch
UPDATE batches.batches SET state = 'cancelling', cancelled_at = %(now)s
WHERE tenant = %(tenant)s AND id = %(id)s AND ended_at IS NULL AND cancelled_at IS NULL

-- name: end_batch
UPDATE batches.batches SET state = %(state)s, fault = %(fault)s, faults = %(faults)s, output = %(output)s, errors = %(errors)s,
    ended_at = %(now)s
WHERE tenant = %(tenant)s AND id = %(id)s AND ended_at IS NULL

-- name: delete_batch
DELETE FROM batches.batches WHERE tenant = %(tenant)s AND id = %(id)s

-- name: delete_old_batches
DELETE FROM batches.batches WHERE tenant = %(tenant)s AND keeps_until <= %(now)s AND ended_at IS NOT NULL

-- name: erase_batches
DELETE FROM batches.batches WHERE tenant = %(tenant)s AND created_at < %(before)s AND ended_at IS NOT NULL

-- name: erase_files
DELETE FROM batches.files f WHERE tenant = %(tenant)s AND created_at < %(before)s AND NOT EXISTS (
    SELECT FROM batches.batches b WHERE b.tenant = f.tenant AND b.input = f.id AND b.ended_at IS NULL
)

-- name: add_lines
-- Adds lines that have ended, and counts those that are new.
WITH given AS (
    SELECT * FROM unnest(%(numbers)s::integer[], %(outcomes)s::text[], %(records)s::text[], %(bodies)s::bytea[],
        %(sizes)s::integer[]) AS g (number, outcome, record, body, size_bytes)
), added AS (
    INSERT INTO batches.lines (tenant, batch, number, outcome, record, body, size_bytes)
    SELECT %(tenant)s, %(batch)s, number, outcome, nullif(record, ''), body, size_bytes FROM given
    ON CONFLICT DO NOTHING RETURNING outcome
)
UPDATE batches.batches b SET
    succeeded = b.succeeded + (SELECT count(*) FROM added WHERE outcome = 'succeeded'),
    errored = b.errored + (SELECT count(*) FROM added WHERE outcome = 'errored'),
    canceled = b.canceled + (SELECT count(*) FROM added WHERE outcome = 'canceled'),
    expired = b.expired + (SELECT count(*) FROM added WHERE outcome = 'expired'),
    labels = %(labels)s
WHERE b.tenant = %(tenant)s AND b.id = %(batch)s

-- name: ended_lines
SELECT number FROM batches.lines WHERE tenant = %(tenant)s AND batch = %(batch)s

-- name: lines
SELECT number, body FROM batches.lines
WHERE tenant = %(tenant)s AND batch = %(batch)s AND number > %(after)s
    AND (%(is_output)s::boolean IS NULL OR (outcome = 'succeeded') = %(is_output)s)
ORDER BY number LIMIT %(limit)s

-- name: size_of_lines
SELECT coalesce(sum(size_bytes), 0)::bigint FROM batches.lines
WHERE tenant = %(tenant)s AND batch = %(batch)s AND (outcome = 'succeeded') = %(is_output)s

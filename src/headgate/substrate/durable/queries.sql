-- name: submit
INSERT INTO durable.runs (tenant, id, queue, input) VALUES (%(tenant)s, %(id)s, %(queue)s, %(input)s::jsonb)

-- name: lock_queue
-- Claims of one queue come one after the other, so that its limit holds for all workers together.
SELECT pg_advisory_xact_lock(hashtextextended('durable/' || %(tenant)s || '/' || %(queue)s, 0))

-- name: claim
-- The run that has been due for longest. A cancelled one needs no room: it only ends. A parked one takes no place, but
-- a queue has at most five times as many runs as places.
WITH busy AS (
    SELECT count(*) FILTER (WHERE NOT is_parked) AS number, count(*) AS with_parked FROM durable.runs
    WHERE tenant = %(tenant)s AND queue = %(queue)s AND ended_at IS NULL AND state = 'running' AND due_at > now()
), next AS (
    SELECT id FROM durable.runs
    WHERE tenant = %(tenant)s AND queue = %(queue)s AND ended_at IS NULL AND due_at <= now()
        AND (is_cancelling OR (SELECT number < %(at_once)s AND with_parked < 5 * %(at_once)s FROM busy))
    ORDER BY is_cancelling DESC, due_at, id LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE durable.runs r
SET state = 'running', is_parked = false, lease = lease + 1, attempts = attempts + 1, due_at = now() + %(lease_s)s * interval '1 second'
FROM next WHERE r.tenant = %(tenant)s AND r.id = next.id
RETURNING r.id, r.lease, r.attempts, r.is_cancelling, r.input::text AS input, r.progress::text AS progress

-- name: renew
UPDATE durable.runs SET due_at = now() + %(lease_s)s * interval '1 second'
WHERE tenant = %(tenant)s AND id = %(id)s AND lease = %(lease)s AND state = 'running'
RETURNING is_cancelling

-- name: hold
-- Locks the row, so that nobody takes the run over before the transaction ends.
SELECT id FROM durable.runs
WHERE tenant = %(tenant)s AND id = %(id)s AND lease = %(lease)s AND state = 'running'
FOR NO KEY UPDATE

-- name: progress
UPDATE durable.runs SET attempts = 1 WHERE tenant = %(tenant)s AND id = %(id)s

-- name: park
UPDATE durable.runs SET is_parked = %(is_parked)s
WHERE tenant = %(tenant)s AND id = %(id)s AND lease = %(lease)s AND state = 'running'

-- name: later
UPDATE durable.runs
SET state = 'waiting', due_at = now() + %(after_s)s * interval '1 second', error = %(error)s,
    attempts = CASE WHEN %(in_order)s THEN 0 ELSE attempts END
WHERE tenant = %(tenant)s AND id = %(id)s AND lease = %(lease)s AND state = 'running'

-- name: end
UPDATE durable.runs SET state = %(state)s, error = %(error)s, ended_at = now()
WHERE tenant = %(tenant)s AND id = %(id)s AND lease = %(lease)s AND state = 'running'

-- name: cancel
UPDATE durable.runs SET is_cancelling = true, due_at = CASE WHEN state = 'waiting' THEN now() ELSE due_at END
WHERE tenant = %(tenant)s AND id = %(id)s AND ended_at IS NULL

-- name: wake
UPDATE durable.runs SET due_at = now() WHERE tenant = %(tenant)s AND id = %(id)s AND state = 'waiting' AND ended_at IS NULL

-- name: report
UPDATE durable.runs SET progress = %(progress)s::jsonb
WHERE tenant = %(tenant)s AND id = %(id)s AND lease = %(lease)s AND state = 'running'

-- name: status
SELECT state, is_cancelling, progress::text AS progress, error FROM durable.runs
WHERE tenant = %(tenant)s AND id = %(id)s

-- name: step
SELECT result::text FROM durable.steps WHERE tenant = %(tenant)s AND run = %(run)s AND name = %(name)s

-- name: keep_step
INSERT INTO durable.steps (tenant, run, name, result) VALUES (%(tenant)s, %(run)s, %(name)s, %(result)s::jsonb)

-- name: forget
DELETE FROM durable.runs WHERE tenant = %(tenant)s AND id = %(id)s

-- name: forget_ended
DELETE FROM durable.runs WHERE tenant = %(tenant)s AND ended_at < now() - %(keeps_s)s * interval '1 second'

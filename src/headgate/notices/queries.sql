-- name: destinations
SELECT id, spec::text AS spec FROM notices.destinations WHERE tenant = %(tenant)s ORDER BY id;

-- name: put_destination
INSERT INTO notices.destinations (tenant, id, spec) VALUES (%(tenant)s, %(id)s, %(spec)s::jsonb)
ON CONFLICT (tenant, id) DO UPDATE SET spec = EXCLUDED.spec, updated_at = now();

-- name: delete_destination
DELETE FROM notices.destinations WHERE tenant = %(tenant)s AND id = %(id)s;

-- name: enqueue
-- One row for each destination that wants the event and the use case; a destination without a list wants all. A
-- destination that has been away for long gets no more than %(most)s.
INSERT INTO notices.deliveries (tenant, id, destination, event, subject, notice, raised_at, due_at)
SELECT %(tenant)s, %(id)s || '.' || d.id, d.id, %(event)s, %(subject)s, %(notice)s::jsonb, %(now)s, %(now)s
FROM notices.destinations d
WHERE d.tenant = %(tenant)s
    AND (d.spec -> 'events' ? %(event)s OR coalesce(d.spec -> 'events', 'null'::jsonb) = 'null'::jsonb)
    AND (d.spec -> 'use_cases' ? %(use_case)s OR coalesce(d.spec -> 'use_cases', 'null'::jsonb) = 'null'::jsonb)
    AND (
        SELECT count(*) < %(most)s FROM notices.deliveries q
        WHERE q.tenant = %(tenant)s AND q.destination = d.id AND q.ended_at IS NULL
    )
ON CONFLICT (tenant, destination, event, subject) DO NOTHING;

-- name: claim_due
-- Moves what it claims into the future, so that no other worker takes it, and so that it is tried again if this worker
-- ends before it is sent.
UPDATE notices.deliveries SET attempts = attempts + 1, due_at = %(again_at)s
WHERE tenant = %(tenant)s AND id IN (
    SELECT id FROM notices.deliveries
    WHERE tenant = %(tenant)s AND ended_at IS NULL AND due_at <= %(now)s
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING id, destination, event, subject, notice::text AS notice, raised_at, attempts;

-- name: end_delivery
UPDATE notices.deliveries SET ended_at = %(now)s, outcome = %(outcome)s, error = %(error)s
WHERE tenant = %(tenant)s AND id = %(id)s AND ended_at IS NULL;

-- name: postpone
UPDATE notices.deliveries SET due_at = %(due_at)s, error = %(error)s
WHERE tenant = %(tenant)s AND id = %(id)s AND ended_at IS NULL;

-- name: forget_ended
DELETE FROM notices.deliveries WHERE tenant = %(tenant)s AND ended_at < %(before)s;

-- name: standing
-- How the deliveries of each destination stand.
SELECT destination, count(*) FILTER (WHERE ended_at IS NULL) AS waiting,
    count(*) FILTER (WHERE outcome = 'sent') AS sent, count(*) FILTER (WHERE outcome = 'given_up') AS given_up,
    max(ended_at) FILTER (WHERE outcome = 'sent') AS last_sent_at,
    coalesce((array_agg(error ORDER BY raised_at DESC) FILTER (WHERE error <> '' AND outcome IS DISTINCT FROM 'sent'))[1],
        '') AS last_error
FROM notices.deliveries WHERE tenant = %(tenant)s GROUP BY destination;

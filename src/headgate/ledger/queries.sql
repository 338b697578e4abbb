-- name: prepare_months
SELECT ledger.prepare_months()

-- name: add_openings
-- Each parameter is an array with one element for each row. One blob holds all binary values.
INSERT INTO ledger.openings (tenant, id, worker, leaf)
SELECT u.tenant, u.id, %(worker)s, substr(%(blob)s::bytea, u.start, u.size)
FROM unnest(%(tenants)s::text[], %(ids)s::text[], %(starts)s::int[], %(sizes)s::int[]) AS u (tenant, id, start, size)
ON CONFLICT DO NOTHING

-- name: remove_openings
DELETE FROM ledger.openings o
USING unnest(%(tenants)s::text[], %(ids)s::text[]) AS u (tenant, id)
WHERE o.tenant = u.tenant AND o.id = u.id

-- name: openings_of_worker
SELECT leaf FROM ledger.openings WHERE worker = %(worker)s ORDER BY id LIMIT %(limit)s

-- name: add_records
-- `unnest` is in the select list, because in FROM it would keep a copy of the rows. The store adds
-- ON CONFLICT to this statement, to add_marks and to add_parts only if rows may exist: the check
-- costs a tenth.
INSERT INTO ledger.records
    (tenant, id, opened_at, closed_at, verb, outcome, use_case, resource, principal, parent, root, key_id, leaf)
SELECT u.tenant, u.id, u.opened_at, u.closed_at, u.verb, u.outcome, u.use_case, u.resource, u.principal,
    nullif(u.parent, ''), nullif(u.root, ''), nullif(u.key_id, ''), substr(%(blob)s::bytea, u.start, u.size)
FROM (
    SELECT unnest(%(tenants)s::text[]) AS tenant, unnest(%(ids)s::text[]) AS id,
        unnest(%(opened_ats)s::timestamptz[]) AS opened_at, unnest(%(closed_ats)s::timestamptz[]) AS closed_at,
        unnest(%(verbs)s::text[]) AS verb, unnest(%(outcomes)s::text[]) AS outcome,
        unnest(%(use_cases)s::text[]) AS use_case, unnest(%(resources)s::text[]) AS resource,
        unnest(%(principals)s::text[]) AS principal, unnest(%(parents)s::text[]) AS parent,
        unnest(%(roots)s::text[]) AS root, unnest(%(key_ids)s::text[]) AS key_id, unnest(%(starts)s::int[]) AS start, unnest(%(sizes)s::int[]) AS size
) u

-- name: add_pending
-- Rows keep the order of the arrays. A record may be shipped twice; the sequencer skips it then.
INSERT INTO ledger.pending (tenant, id)
SELECT u.tenant, u.id
FROM unnest(%(tenants)s::text[], %(ids)s::text[]) WITH ORDINALITY AS u (tenant, id, place)
ORDER BY u.place

-- name: add_marks
INSERT INTO ledger.marks (tenant, mark, record)
SELECT u.* FROM unnest(%(tenants)s::text[], %(marks)s::text[], %(records)s::text[]) AS u

-- name: add_parts
INSERT INTO ledger.parts (tenant, record, name, seal, envelope)
SELECT u.tenant, u.record, u.name, u.seal, substr(%(blob)s::bytea, u.start, u.size)
FROM (
    SELECT unnest(%(tenants)s::text[]) AS tenant, unnest(%(records)s::text[]) AS record,
        unnest(%(names)s::text[]) AS name, unnest(%(seals)s::text[]) AS seal,
        unnest(%(starts)s::int[]) AS start, unnest(%(sizes)s::int[]) AS size
) u

-- name: hold_lock
SELECT pg_try_advisory_xact_lock(hashtext('ledger.sequencer'))

-- name: pending_tenants
-- One index lookup for each tenant, for a queue of any length.
WITH RECURSIVE waiting AS (
    (SELECT tenant FROM ledger.pending WHERE tenant <> '' ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT p.tenant FROM ledger.pending p WHERE p.tenant > waiting.tenant ORDER BY p.tenant LIMIT 1)
    FROM waiting WHERE waiting.tenant IS NOT NULL
)
SELECT tenant FROM waiting WHERE tenant IS NOT NULL

-- name: log_tenants
SELECT tenant FROM ledger.logs ORDER BY tenant

-- name: begin_log
INSERT INTO ledger.logs (tenant, origin, root, frontier) VALUES (%(tenant)s, %(origin)s, %(root)s, %(frontier)s)
ON CONFLICT DO NOTHING

-- name: take_log
UPDATE ledger.logs SET epoch = epoch + 1 WHERE tenant = %(tenant)s
RETURNING origin, size, root, frontier, epoch

-- name: take_pending
-- LATERAL makes one index lookup for each record, even with old statistics of a growing table.
-- The result is one row, and its arrays share one arbitrary order. A sort here would copy each
-- leaf once more.
WITH taken AS (
    DELETE FROM ledger.pending
    WHERE tenant = %(tenant)s AND arrival = ANY (ARRAY(
        SELECT arrival FROM ledger.pending WHERE tenant = %(tenant)s ORDER BY arrival LIMIT %(limit)s
    ))
    RETURNING arrival, id
), waiting AS (
    SELECT taken.arrival, taken.id, record.leaf
    FROM taken
    CROSS JOIN LATERAL (
        SELECT r.leaf FROM ledger.records r WHERE r.tenant = %(tenant)s AND r.id = taken.id LIMIT 1
    ) record
    LEFT JOIN LATERAL (
        SELECT true AS is_there FROM ledger.leaves l
        WHERE %(may_be_there)s AND l.tenant = %(tenant)s AND l.id = taken.id LIMIT 1
    ) sequenced ON true
    WHERE sequenced.is_there IS NULL
)
SELECT (SELECT count(*) FROM taken) AS count, coalesce(array_agg(arrival), '{}') AS arrivals,
    coalesce(array_agg(id), '{}') AS ids, coalesce(array_agg(octet_length(leaf)), '{}') AS sizes,
    coalesce(string_agg(leaf, ''), '') AS blob
FROM waiting

-- name: add_leaves
INSERT INTO ledger.leaves (tenant, leaf_index, id)
SELECT %(tenant)s, %(first)s + u.place - 1, u.id FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS u (id, place)

-- name: advance_log
UPDATE ledger.logs SET size = %(size)s, root = %(root)s, frontier = %(frontier)s, updated_at = now()
WHERE tenant = %(tenant)s AND epoch = %(epoch)s AND size = %(old_size)s

-- name: leaves_between
SELECT record.leaf
FROM ledger.leaves l
CROSS JOIN LATERAL (
    SELECT r.leaf FROM ledger.records r WHERE r.tenant = %(tenant)s AND r.id = l.id LIMIT 1
) record
WHERE l.tenant = %(tenant)s AND l.leaf_index >= %(start)s AND l.leaf_index < %(stop)s
ORDER BY l.leaf_index

-- name: plan_for_these_values
-- The list queries below ignore filters with NULL. Only a plan for the given values can use that.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true)

-- name: list_records
SELECT r.leaf, l.leaf_index
FROM (
    SELECT id, leaf FROM ledger.records
    WHERE tenant = %(tenant)s
        AND (%(before)s::text IS NULL OR id < %(before)s)
        AND (%(since)s::text IS NULL OR id >= %(since)s)
        AND (%(until)s::text IS NULL OR id < %(until)s)
        AND (%(verb)s::text IS NULL OR verb = %(verb)s)
        AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
        AND (%(use_case)s::text IS NULL OR use_case = %(use_case)s)
        AND (%(resource)s::text IS NULL OR resource = %(resource)s)
        AND (%(principal)s::text IS NULL OR principal = %(principal)s)
        AND (%(parent)s::text IS NULL OR parent = %(parent)s)
        AND (%(root)s::text IS NULL OR root = %(root)s)
        AND (%(is_first)s::boolean IS NOT TRUE OR parent IS NULL)
        AND (%(key_id)s::text IS NULL OR key_id = %(key_id)s)
        AND (%(kind)s::text IS DISTINCT FROM 'calls'
            OR (parent IS NULL AND use_case NOT IN ('administration', 'jobs')))
        AND (%(kind)s::text IS DISTINCT FROM 'administration'
            OR (parent IS NULL AND use_case IN ('administration', 'jobs')))
    ORDER BY id DESC LIMIT %(limit)s
) r
LEFT JOIN LATERAL (
    SELECT leaf_index FROM ledger.leaves WHERE tenant = %(tenant)s AND id = r.id LIMIT 1
) l ON true
ORDER BY r.id DESC

-- name: rarest_first
-- Counts at most some thousand of each.
SELECT array_agg(wanted.mark ORDER BY counted.records) FROM unnest(%(marks)s::text[]) AS wanted (mark)
CROSS JOIN LATERAL (
    SELECT count(*) AS records FROM (
        SELECT FROM ledger.marks
        WHERE tenant = %(tenant)s AND mark = wanted.mark
            AND (%(before)s::text IS NULL OR record < %(before)s)
            AND (%(since)s::text IS NULL OR record >= %(since)s)
            AND (%(until)s::text IS NULL OR record < %(until)s)
        LIMIT 10000
    ) AS found
) AS counted

-- name: list_records_of_marks
-- Begins with the records of the first mark, newest first, and looks up the other marks and then the record. The
-- planner guesses wrongly how often marks meet, so OFFSET 0 keeps it to this order.
SELECT r.leaf, l.leaf_index
FROM (
    SELECT k.record FROM ledger.marks k
    WHERE k.tenant = %(tenant)s AND k.mark = %(mark)s
        AND (%(before)s::text IS NULL OR k.record < %(before)s)
        AND (%(since)s::text IS NULL OR k.record >= %(since)s)
        AND (%(until)s::text IS NULL OR k.record < %(until)s)
        AND (
            SELECT count(*) FROM ledger.marks m
            WHERE m.tenant = %(tenant)s AND m.mark = ANY (%(also)s::text[]) AND m.record = k.record
        ) = cardinality(%(also)s::text[])
    ORDER BY k.record DESC OFFSET 0
) k
CROSS JOIN LATERAL (
    SELECT id, leaf FROM ledger.records
    WHERE tenant = %(tenant)s AND id = k.record
        AND (%(verb)s::text IS NULL OR verb = %(verb)s)
        AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
        AND (%(use_case)s::text IS NULL OR use_case = %(use_case)s)
        AND (%(resource)s::text IS NULL OR resource = %(resource)s)
        AND (%(principal)s::text IS NULL OR principal = %(principal)s)
        AND (%(parent)s::text IS NULL OR parent = %(parent)s)
        AND (%(root)s::text IS NULL OR root = %(root)s)
        AND (%(is_first)s::boolean IS NOT TRUE OR parent IS NULL)
        AND (%(key_id)s::text IS NULL OR key_id = %(key_id)s)
        AND (%(kind)s::text IS DISTINCT FROM 'calls'
            OR (parent IS NULL AND use_case NOT IN ('administration', 'jobs')))
        AND (%(kind)s::text IS DISTINCT FROM 'administration'
            OR (parent IS NULL AND use_case IN ('administration', 'jobs')))
    OFFSET 0
) r
LEFT JOIN LATERAL (
    SELECT leaf_index FROM ledger.leaves WHERE tenant = %(tenant)s AND id = r.id LIMIT 1
) l ON true
LIMIT %(limit)s

-- name: list_marked_records
-- A semi-join, so that the planner can begin with the mark or with a rarer filter.
SELECT r.leaf, l.leaf_index
FROM (
    SELECT id, leaf FROM ledger.records r
    WHERE tenant = %(tenant)s
        AND (%(before)s::text IS NULL OR id < %(before)s)
        AND (%(since)s::text IS NULL OR id >= %(since)s)
        AND (%(until)s::text IS NULL OR id < %(until)s)
        AND (%(verb)s::text IS NULL OR verb = %(verb)s)
        AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
        AND (%(use_case)s::text IS NULL OR use_case = %(use_case)s)
        AND (%(resource)s::text IS NULL OR resource = %(resource)s)
        AND (%(principal)s::text IS NULL OR principal = %(principal)s)
        AND (%(parent)s::text IS NULL OR parent = %(parent)s)
        AND (%(root)s::text IS NULL OR root = %(root)s)
        AND (%(is_first)s::boolean IS NOT TRUE OR parent IS NULL)
        AND (%(key_id)s::text IS NULL OR key_id = %(key_id)s)
        AND (%(kind)s::text IS DISTINCT FROM 'calls'
            OR (parent IS NULL AND use_case NOT IN ('administration', 'jobs')))
        AND (%(kind)s::text IS DISTINCT FROM 'administration'
            OR (parent IS NULL AND use_case IN ('administration', 'jobs')))
        AND EXISTS (
            SELECT FROM ledger.marks
            WHERE tenant = %(tenant)s AND mark = %(mark)s AND record = r.id
                AND (%(before)s::text IS NULL OR record < %(before)s)
                AND (%(since)s::text IS NULL OR record >= %(since)s)
                AND (%(until)s::text IS NULL OR record < %(until)s)
        )
    ORDER BY id DESC LIMIT %(limit)s
) r
LEFT JOIN LATERAL (
    SELECT leaf_index FROM ledger.leaves WHERE tenant = %(tenant)s AND id = r.id LIMIT 1
) l ON true
ORDER BY r.id DESC

-- name: count_records
-- Counts at most so many of each bucket, the newest first, so that the work has a bound. `first`
-- tells how far back a full bucket was counted.
SELECT b.place, s.outcome, count(*) AS count, min(s.id) AS first
FROM unnest(%(starts)s::text[], %(stops)s::text[]) WITH ORDINALITY AS b (start, stop, place)
CROSS JOIN LATERAL (
    SELECT id, outcome FROM ledger.records
    WHERE tenant = %(tenant)s AND id >= b.start AND id < b.stop
        AND (%(verb)s::text IS NULL OR verb = %(verb)s)
        AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
        AND (%(use_case)s::text IS NULL OR use_case = %(use_case)s)
        AND (%(resource)s::text IS NULL OR resource = %(resource)s)
        AND (%(principal)s::text IS NULL OR principal = %(principal)s)
        AND (%(parent)s::text IS NULL OR parent = %(parent)s)
        AND (%(root)s::text IS NULL OR root = %(root)s)
        AND (%(is_first)s::boolean IS NOT TRUE OR parent IS NULL)
        AND (%(key_id)s::text IS NULL OR key_id = %(key_id)s)
        AND (%(kind)s::text IS DISTINCT FROM 'calls'
            OR (parent IS NULL AND use_case NOT IN ('administration', 'jobs')))
        AND (%(kind)s::text IS DISTINCT FROM 'administration'
            OR (parent IS NULL AND use_case IN ('administration', 'jobs')))
    ORDER BY id DESC LIMIT %(limit)s
) s
GROUP BY b.place, s.outcome

-- name: count_marked_records
-- The bound is on the records with the mark; the other filters come after it.
SELECT b.place, s.outcome, count(*) AS count, min(s.id) AS first
FROM unnest(%(starts)s::text[], %(stops)s::text[]) WITH ORDINALITY AS b (start, stop, place)
CROSS JOIN LATERAL (
    SELECT k.record AS id, coalesce(r.outcome, '') AS outcome
    FROM (
        SELECT record FROM ledger.marks
        WHERE tenant = %(tenant)s AND mark = %(mark)s AND record >= b.start AND record < b.stop
        ORDER BY record DESC LIMIT %(limit)s
    ) k
    LEFT JOIN LATERAL (
        SELECT outcome FROM ledger.records r
        WHERE tenant = %(tenant)s AND id = k.record
            AND (%(verb)s::text IS NULL OR verb = %(verb)s)
            AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
            AND (%(use_case)s::text IS NULL OR use_case = %(use_case)s)
            AND (%(resource)s::text IS NULL OR resource = %(resource)s)
            AND (%(principal)s::text IS NULL OR principal = %(principal)s)
            AND (%(parent)s::text IS NULL OR parent = %(parent)s)
            AND (%(root)s::text IS NULL OR root = %(root)s)
            AND (%(is_first)s::boolean IS NOT TRUE OR parent IS NULL)
            AND (%(key_id)s::text IS NULL OR key_id = %(key_id)s)
            AND (%(kind)s::text IS DISTINCT FROM 'calls'
                OR (parent IS NULL AND use_case NOT IN ('administration', 'jobs')))
            AND (%(kind)s::text IS DISTINCT FROM 'administration'
                OR (parent IS NULL AND use_case IN ('administration', 'jobs')))
            AND NOT EXISTS (
                SELECT FROM unnest(%(also)s::text[]) AS other (mark)
                WHERE NOT EXISTS (
                    SELECT FROM ledger.marks m
                    WHERE m.tenant = %(tenant)s AND m.mark = other.mark AND m.record = r.id
                )
            )
        LIMIT 1
    ) r ON true
) s
GROUP BY b.place, s.outcome

-- name: bound_the_count
-- Without sorts, so that each bucket is read in the order of an index and left at its limit. The
-- planner cannot know how many records a bucket has, and would read all of a full one and sort them.
SELECT set_config('statement_timeout', %(ms)s, true), set_config('enable_sort', 'off', true)

-- name: list_openings
-- Few records are open, so the query reads them in the order of the list and filters them.
SELECT o.leaf, NULL::bigint AS leaf_index
FROM ledger.openings o
CROSS JOIN LATERAL (SELECT convert_from(o.leaf, 'UTF8')::jsonb AS body) b
WHERE o.tenant = %(tenant)s
    AND (%(before)s::text IS NULL OR o.id < %(before)s)
    AND (%(since)s::text IS NULL OR o.id >= %(since)s)
    AND (%(until)s::text IS NULL OR o.id < %(until)s)
    AND (%(verb)s::text IS NULL OR b.body ->> 'verb' = %(verb)s)
    AND (%(use_case)s::text IS NULL OR b.body ->> 'use_case' = %(use_case)s)
    AND (%(resource)s::text IS NULL OR b.body ->> 'resource' = %(resource)s)
    AND (%(principal)s::text IS NULL OR b.body ->> 'principal' = %(principal)s)
    AND (%(parent)s::text IS NULL OR b.body ->> 'parent' = %(parent)s)
    AND (%(root)s::text IS NULL OR b.body ->> 'root' = %(root)s)
    AND (%(is_first)s::boolean IS NOT TRUE OR b.body ->> 'parent' IS NULL)
    AND (%(key_id)s::text IS NULL OR b.body ->> 'key_id' = %(key_id)s)
    AND (%(kind)s::text IS DISTINCT FROM 'calls'
        OR (b.body ->> 'parent' IS NULL AND b.body ->> 'use_case' NOT IN ('administration', 'jobs')))
    AND (%(kind)s::text IS DISTINCT FROM 'administration'
        OR (b.body ->> 'parent' IS NULL AND b.body ->> 'use_case' IN ('administration', 'jobs')))
    AND NOT EXISTS (SELECT FROM ledger.records r WHERE r.tenant = o.tenant AND r.id = o.id)
ORDER BY o.id DESC LIMIT %(limit)s

-- name: get_record
SELECT r.leaf, (SELECT l.leaf_index FROM ledger.leaves l WHERE l.tenant = r.tenant AND l.id = r.id) AS leaf_index
FROM ledger.records r WHERE r.tenant = %(tenant)s AND r.id = %(id)s

-- name: get_opening
SELECT leaf, NULL::bigint AS leaf_index FROM ledger.openings WHERE tenant = %(tenant)s AND id = %(id)s

-- name: parts_of_record
SELECT name, seal, envelope FROM ledger.parts WHERE tenant = %(tenant)s AND record = %(id)s ORDER BY name

-- name: records_after
SELECT record.leaf, l.leaf_index
FROM ledger.leaves l
CROSS JOIN LATERAL (
    SELECT r.leaf FROM ledger.records r WHERE r.tenant = %(tenant)s AND r.id = l.id LIMIT 1
) record
WHERE l.tenant = %(tenant)s AND l.leaf_index > %(after)s
ORDER BY l.leaf_index LIMIT %(limit)s

-- name: leaves_after
-- One row, because sending many small rows would take most of the time. The arrays share one arbitrary
-- order, and `places` restores the order of the log.
WITH found AS (
    SELECT l.leaf_index, record.leaf
    FROM ledger.leaves l
    CROSS JOIN LATERAL (
        SELECT r.leaf FROM ledger.records r WHERE r.tenant = %(tenant)s AND r.id = l.id LIMIT 1
    ) record
    WHERE l.tenant = %(tenant)s AND l.leaf_index > %(after)s
    ORDER BY l.leaf_index LIMIT %(limit)s
)
SELECT coalesce(array_agg(leaf_index), '{}') AS places, coalesce(array_agg(octet_length(leaf)), '{}') AS sizes,
    coalesce(string_agg(leaf, ''), '') AS blob
FROM found

-- name: log_state
SELECT origin, size, root, updated_at FROM ledger.logs WHERE tenant = %(tenant)s

-- name: forget
SELECT ledger.forget(%(tenant)s, %(principal)s, %(records)s)

-- name: hold_parts
-- Shared by shippers, and exclusive for ledger.forget().
SELECT pg_advisory_xact_lock_shared(hashtext('ledger.parts'))

-- name: forgotten_among
SELECT f.tenant, f.record, f.principal FROM ledger.forgotten f
JOIN unnest(%(tenants)s::text[], %(records)s::text[]) AS u (tenant, record)
    ON f.tenant = u.tenant AND f.record = u.record

-- name: rule_matches
-- Jumps from mark to mark along the index, and counts a bounded number of calls of each period.
WITH RECURSIVE known AS (
    (
        SELECT mark FROM ledger.marks
        WHERE tenant = %(tenant)s AND mark > %(prefix)s AND mark < %(end)s
        ORDER BY mark LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT m.mark FROM ledger.marks m
        WHERE m.tenant = %(tenant)s AND m.mark > known.mark AND m.mark < %(end)s
        ORDER BY m.mark LIMIT 1
    )
    FROM known WHERE known.mark IS NOT NULL
)
SELECT known.mark, array_agg(counted.count ORDER BY period.place) AS counts
FROM known
CROSS JOIN unnest(%(starts)s::text[], %(ends)s::text[]) WITH ORDINALITY AS period (first, after, place)
CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM (
        SELECT FROM ledger.marks m
        WHERE m.tenant = %(tenant)s AND m.mark = known.mark AND m.record >= period.first AND m.record < period.after
        LIMIT %(most)s
    ) bounded
) counted
WHERE known.mark IS NOT NULL
GROUP BY known.mark
HAVING sum(counted.count) > 0

-- name: views_of
SELECT owner, name, filters, is_shared, saved_at FROM ledger.views
WHERE tenant = %(tenant)s AND (is_shared OR owner = %(owner)s)
ORDER BY name, owner LIMIT %(limit)s

-- name: count_other_views
SELECT count(*) FROM ledger.views WHERE tenant = %(tenant)s AND owner = %(owner)s AND name <> %(name)s

-- name: save_view
INSERT INTO ledger.views (tenant, owner, name, filters, is_shared, saved_at)
VALUES (%(tenant)s, %(owner)s, %(name)s, %(filters)s::jsonb, %(is_shared)s, %(saved_at)s)
ON CONFLICT (tenant, owner, name)
DO UPDATE SET filters = excluded.filters, is_shared = excluded.is_shared, saved_at = excluded.saved_at

-- name: delete_view
DELETE FROM ledger.views WHERE tenant = %(tenant)s AND owner = %(owner)s AND name = %(name)s

-- name: parts_of_records
SELECT record, name, seal, envelope FROM ledger.parts
WHERE tenant = %(tenant)s AND record = ANY (%(records)s::text[])
ORDER BY record DESC, name

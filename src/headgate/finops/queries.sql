-- name: lock
-- One worker at a time counts a tenant's records. The lock ends with the transaction.
SELECT pg_try_advisory_xact_lock(hashtext('finops.rollups'), hashtext(%(tenant)s))

-- name: wait_for_lock
SELECT pg_advisory_xact_lock(hashtext('finops.rollups'), hashtext(%(tenant)s))

-- name: editions
SELECT edition, state, cursor FROM finops.editions WHERE tenant = %(tenant)s ORDER BY edition

-- name: begin_edition
INSERT INTO finops.editions (tenant, state) VALUES (%(tenant)s, %(state)s) ON CONFLICT DO NOTHING

-- name: move_cursor
UPDATE finops.editions SET cursor = %(cursor)s WHERE tenant = %(tenant)s AND edition = %(edition)s

-- name: retire_current
UPDATE finops.editions SET state = 'old' WHERE tenant = %(tenant)s AND state = 'current'

-- name: promote
UPDATE finops.editions SET state = 'current' WHERE tenant = %(tenant)s AND edition = %(edition)s

-- name: series_ids
-- Each parameter is an array with one element for each series.
WITH wanted AS (
    SELECT * FROM unnest(
        %(facets)s::text[], %(verbs)s::text[], %(use_cases)s::text[], %(people)s::text[], %(keys)s::text[],
        %(models)s::text[], %(deployments)s::text[], %(outcomes)s::text[], %(currencies)s::text[]
    ) WITH ORDINALITY AS w (facet, verb, use_case, person, key, model, deployment, outcome, currency, place)
), added AS (
    INSERT INTO finops.series
        (tenant, edition, facet, verb, use_case, person, key, model, deployment, outcome, currency)
    SELECT %(tenant)s, %(edition)s, facet, verb, use_case, person, key, model, deployment, outcome, currency FROM wanted
    ON CONFLICT (tenant, edition, facet, use_case, person, key, model, deployment, outcome, currency, verb)
        DO UPDATE SET verb = excluded.verb  -- so that RETURNING has the rows that were there
    RETURNING *
)
SELECT array_agg(added.id ORDER BY wanted.place) AS ids
FROM wanted JOIN added USING (facet, verb, use_case, person, key, model, deployment, outcome, currency)

-- name: add_cells
-- The rows come in parts. `spans` has the spans of time that get the rows of each part.
WITH spans AS (
    SELECT * FROM unnest(%(parts)s::int[], %(grains)s::text[], %(ats)s::timestamptz[]) AS s (part, grain, at)
)
INSERT INTO finops.cells AS c
    (tenant, grain, series, at, calls, input_tokens, output_tokens, cached_tokens, cost_micros, unpriced, masked)
SELECT %(tenant)s, s.grain, u.series, s.at, u.calls, u.input_tokens, u.output_tokens, u.cached_tokens, u.cost_micros,
    u.unpriced, u.masked
FROM unnest(
    %(part)s::int[], %(series)s::bigint[], %(calls)s::bigint[], %(input_tokens)s::bigint[],
    %(output_tokens)s::bigint[], %(cached_tokens)s::bigint[], %(cost_micros)s::bigint[], %(unpriced)s::bigint[],
    %(masked)s::bigint[]
) AS u (part, series, calls, input_tokens, output_tokens, cached_tokens, cost_micros, unpriced, masked)
JOIN spans s USING (part)
ORDER BY s.grain, u.series, s.at
ON CONFLICT (tenant, grain, series, at) DO UPDATE SET
    calls = c.calls + excluded.calls,
    input_tokens = c.input_tokens + excluded.input_tokens,
    output_tokens = c.output_tokens + excluded.output_tokens,
    cached_tokens = c.cached_tokens + excluded.cached_tokens,
    cost_micros = c.cost_micros + excluded.cost_micros,
    unpriced = c.unpriced + excluded.unpriced,
    masked = c.masked + excluded.masked

-- name: add_amounts
WITH spans AS (
    SELECT * FROM unnest(%(parts)s::int[], %(grains)s::text[], %(ats)s::timestamptz[]) AS s (part, grain, at)
)
INSERT INTO finops.amounts AS a (tenant, grain, series, unit, at, amount)
SELECT %(tenant)s, s.grain, u.series, u.unit, s.at, u.amount
FROM unnest(%(part)s::int[], %(series)s::bigint[], %(units)s::text[], %(amounts)s::numeric[])
    AS u (part, series, unit, amount)
JOIN spans s USING (part)
ON CONFLICT (tenant, grain, series, unit, at) DO UPDATE SET amount = a.amount + excluded.amount

-- name: add_durations
WITH spans AS (
    SELECT * FROM unnest(%(parts)s::int[], %(grains)s::text[], %(ats)s::timestamptz[]) AS s (part, grain, at)
)
INSERT INTO finops.durations AS d (tenant, edition, grain, facet, value, measure, slot, at, calls)
SELECT %(tenant)s, %(edition)s, s.grain, u.facet, u.value, u.measure, u.slot, s.at, u.calls
FROM unnest(
    %(part)s::int[], %(facets)s::text[], %(values)s::text[], %(measures)s::text[], %(slots)s::smallint[],
    %(calls)s::bigint[]
) AS u (part, facet, value, measure, slot, calls)
JOIN spans s USING (part)
ORDER BY s.grain, u.facet COLLATE "C", u.value COLLATE "C", u.measure COLLATE "C", s.at, u.slot
ON CONFLICT (tenant, edition, grain, facet, value, measure, at, slot) DO UPDATE SET calls = d.calls + excluded.calls

-- name: add_hits
WITH spans AS (
    SELECT * FROM unnest(%(parts)s::int[], %(grains)s::text[], %(ats)s::timestamptz[]) AS s (part, grain, at)
)
INSERT INTO finops.rule_hits AS h (tenant, edition, grain, use_case, rule, does, mode, at, hits)
SELECT %(tenant)s, %(edition)s, s.grain, u.use_case, u.rule, u.does, u.mode, s.at, u.hits
FROM unnest(
    %(part)s::int[], %(use_cases)s::text[], %(rules)s::text[], %(does)s::text[], %(modes)s::text[], %(hits)s::bigint[]
) AS u (part, use_case, rule, does, mode, hits)
JOIN spans s USING (part)
ON CONFLICT (tenant, edition, grain, at, use_case, rule, does, mode) DO UPDATE SET hits = h.hits + excluded.hits

-- name: add_reasons
WITH spans AS (
    SELECT * FROM unnest(%(parts)s::int[], %(grains)s::text[], %(ats)s::timestamptz[]) AS s (part, grain, at)
)
INSERT INTO finops.reasons AS r (tenant, edition, grain, use_case, model, outcome, error, rule, at, calls)
SELECT %(tenant)s, %(edition)s, s.grain, u.use_case, u.model, u.outcome, u.error, u.rule, s.at, u.calls
FROM unnest(
    %(part)s::int[], %(use_cases)s::text[], %(models)s::text[], %(outcomes)s::text[], %(errors)s::text[],
    %(rules)s::text[], %(calls)s::bigint[]
) AS u (part, use_case, model, outcome, error, rule, calls)
JOIN spans s USING (part)
ON CONFLICT (tenant, edition, grain, at, use_case, model, outcome, error, rule)
    DO UPDATE SET calls = r.calls + excluded.calls

-- name: put_words
-- Leaves out words that are known, because a row that DO UPDATE only looks at is locked, and so written.
INSERT INTO finops.rule_words AS w (tenant, rule, words)
SELECT %(tenant)s, u.rule, u.words FROM unnest(%(rules)s::text[], %(words)s::text[]) AS u (rule, words)
WHERE NOT EXISTS (
    SELECT FROM finops.rule_words k WHERE k.tenant = %(tenant)s AND k.rule = u.rule AND k.words = u.words
)
ON CONFLICT (tenant, rule) DO UPDATE SET words = excluded.words

-- name: forget_cells
DELETE FROM finops.cells WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM finops.cells WHERE tenant = %(tenant)s AND grain = %(grain)s AND at < %(before)s LIMIT %(limit)s
)) AND tenant = %(tenant)s AND grain = %(grain)s

-- name: forget_amounts
DELETE FROM finops.amounts WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM finops.amounts WHERE tenant = %(tenant)s AND grain = %(grain)s AND at < %(before)s LIMIT %(limit)s
))

-- name: forget_durations
DELETE FROM finops.durations WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM finops.durations
    WHERE tenant = %(tenant)s AND grain = %(grain)s AND at < %(before)s LIMIT %(limit)s
))

-- name: forget_hits
DELETE FROM finops.rule_hits WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM finops.rule_hits
    WHERE tenant = %(tenant)s AND grain = %(grain)s AND at < %(before)s LIMIT %(limit)s
))

-- name: forget_reasons
DELETE FROM finops.reasons WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM finops.reasons WHERE tenant = %(tenant)s AND grain = %(grain)s AND at < %(before)s LIMIT %(limit)s
))

-- name: drop_cells
DELETE FROM finops.cells WHERE tenant = %(tenant)s AND series = ANY (ARRAY(
    SELECT id FROM finops.series WHERE tenant = %(tenant)s AND edition = %(edition)s ORDER BY id LIMIT %(limit)s
))

-- name: drop_amounts
DELETE FROM finops.amounts WHERE tenant = %(tenant)s AND series = ANY (ARRAY(
    SELECT id FROM finops.series WHERE tenant = %(tenant)s AND edition = %(edition)s ORDER BY id LIMIT %(limit)s
))

-- name: drop_series
DELETE FROM finops.series WHERE tenant = %(tenant)s AND id = ANY (ARRAY(
    SELECT id FROM finops.series WHERE tenant = %(tenant)s AND edition = %(edition)s ORDER BY id LIMIT %(limit)s
))

-- name: drop_durations
DELETE FROM finops.durations WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM finops.durations WHERE tenant = %(tenant)s AND edition = %(edition)s LIMIT %(limit)s
))

-- name: drop_hits
DELETE FROM finops.rule_hits WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM finops.rule_hits WHERE tenant = %(tenant)s AND edition = %(edition)s LIMIT %(limit)s
))

-- name: drop_reasons
DELETE FROM finops.reasons WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM finops.reasons WHERE tenant = %(tenant)s AND edition = %(edition)s LIMIT %(limit)s
))

-- name: drop_edition
DELETE FROM finops.editions WHERE tenant = %(tenant)s AND edition = %(edition)s AND state = 'old'

-- name: plan_for_these_values
-- The queries below ignore filters with NULL. Only a plan for the given values can use that.
-- Compiling them takes longer than running them, and their sorts fit into 16 MB.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true),
    set_config('work_mem', '16MB', true)

-- name: prefer_indexes
-- For facets with few series. Otherwise PostgreSQL reads the whole table and has several processes for it.
SELECT set_config('random_page_cost', '1.1', true), set_config('max_parallel_workers_per_gather', '0', true)

-- name: sums
-- A dimension that is not asked for is null in every row. Costs of different currencies are rows of their own.
SELECT
    s.facet,
    CASE WHEN %(step_s)s::bigint > 0 THEN date_bin(make_interval(secs => %(step_s)s), c.at, 'epoch') END AS at,
    CASE WHEN %(by_verb)s THEN s.verb END AS verb,
    CASE WHEN %(by_use_case)s THEN s.use_case END AS use_case,
    CASE WHEN %(by_person)s THEN s.person END AS person,
    CASE WHEN %(by_key)s THEN s.key END AS key,
    CASE WHEN %(by_model)s THEN s.model END AS model,
    CASE WHEN %(by_deployment)s THEN s.deployment END AS deployment,
    CASE WHEN %(by_outcome)s THEN s.outcome END AS outcome,
    s.currency,
    sum(c.calls)::bigint AS calls,
    coalesce(sum(c.calls) FILTER (WHERE s.outcome = 'done'), 0)::bigint AS done,
    coalesce(sum(c.calls) FILTER (WHERE s.outcome IN ('refused', 'withheld')), 0)::bigint AS refused,
    coalesce(sum(c.calls) FILTER (WHERE s.outcome IN ('failed', 'interrupted', 'in_doubt')), 0)::bigint AS failed,
    sum(c.input_tokens)::bigint AS input_tokens,
    sum(c.output_tokens)::bigint AS output_tokens,
    sum(c.cached_tokens)::bigint AS cached_tokens,
    sum(c.cost_micros)::bigint AS cost_micros,
    sum(c.unpriced)::bigint AS unpriced,
    sum(c.masked)::bigint AS masked
FROM finops.series s
JOIN finops.cells c ON c.tenant = s.tenant AND c.series = s.id
WHERE s.tenant = %(tenant)s AND s.facet = ANY (%(facets)s::text[])
    AND s.edition = (SELECT edition FROM finops.editions WHERE tenant = %(tenant)s AND state = 'current')
    AND c.tenant = %(tenant)s AND c.grain = %(grain)s AND c.at >= %(since)s AND c.at < %(until)s
    AND (%(verb)s::text IS NULL OR s.verb = %(verb)s)
    AND (%(use_case)s::text IS NULL OR s.use_case = %(use_case)s)
    AND (%(person)s::text IS NULL OR s.person = %(person)s)
    AND (%(key)s::text IS NULL OR s.key = %(key)s)
    AND (%(model)s::text IS NULL OR s.model = %(model)s)
    AND (%(deployment)s::text IS NULL OR s.deployment = %(deployment)s)
    AND (%(outcome)s::text IS NULL OR s.outcome = %(outcome)s)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
ORDER BY calls DESC
LIMIT %(limit)s

-- name: histograms
SELECT facet, at, value, measure, array_agg(slot) AS slots, array_agg(calls) AS calls
FROM (
    SELECT
        facet,
        CASE WHEN %(step_s)s::bigint > 0 THEN date_bin(make_interval(secs => %(step_s)s), at, 'epoch') END AS at,
        value, measure, slot, sum(calls)::bigint AS calls
    FROM finops.durations
    WHERE tenant = %(tenant)s AND grain = %(grain)s AND facet = ANY (%(facets)s::text[])
        AND at >= %(since)s AND at < %(until)s
        AND edition = (SELECT edition FROM finops.editions WHERE tenant = %(tenant)s AND state = 'current')
        AND (%(value)s::text IS NULL OR value = %(value)s)
    GROUP BY 1, 2, 3, 4, 5
) AS found
GROUP BY 1, 2, 3, 4

-- name: savings
-- Answers from the gateway's cache, and what they saved. Only series of the facet `each` have amounts.
SELECT s.model, s.currency,
    coalesce(sum(a.amount) FILTER (WHERE a.unit = 'cache_hits'), 0)::bigint AS hits,
    coalesce(sum(a.amount) FILTER (WHERE a.unit = 'saved_micros'), 0)::bigint AS saved_micros
FROM finops.amounts a
JOIN finops.series s ON s.tenant = a.tenant AND s.id = a.series
WHERE a.tenant = %(tenant)s AND a.grain = %(grain)s AND a.at >= %(since)s AND a.at < %(until)s
    AND a.unit IN ('cache_hits', 'saved_micros')
    AND s.tenant = %(tenant)s
    AND s.edition = (SELECT edition FROM finops.editions WHERE tenant = %(tenant)s AND state = 'current')
    AND (%(verb)s::text IS NULL OR s.verb = %(verb)s)
    AND (%(use_case)s::text IS NULL OR s.use_case = %(use_case)s)
    AND (%(person)s::text IS NULL OR s.person = %(person)s)
    AND (%(key)s::text IS NULL OR s.key = %(key)s)
    AND (%(model)s::text IS NULL OR s.model = %(model)s)
    AND (%(deployment)s::text IS NULL OR s.deployment = %(deployment)s)
    AND (%(outcome)s::text IS NULL OR s.outcome = %(outcome)s)
GROUP BY 1, 2
ORDER BY saved_micros DESC, hits DESC
LIMIT 1000

-- name: hits
SELECT rule, mode, does, CASE WHEN %(by_use_case)s THEN use_case END AS use_case, sum(hits)::bigint AS hits,
    max(at) AS last_at
FROM finops.rule_hits
WHERE tenant = %(tenant)s AND grain = %(grain)s AND at >= %(since)s AND at < %(until)s
    AND edition = (SELECT edition FROM finops.editions WHERE tenant = %(tenant)s AND state = 'current')
    AND (%(use_case)s::text IS NULL OR use_case = %(use_case)s)
    AND (%(rule)s::text IS NULL OR rule = %(rule)s)
GROUP BY 1, 2, 3, 4
ORDER BY hits DESC, rule
LIMIT %(limit)s

-- name: reasons
SELECT r.outcome, r.error, r.rule, w.words, sum(r.calls)::bigint AS calls
FROM finops.reasons r
LEFT JOIN finops.rule_words w ON w.tenant = r.tenant AND w.rule = r.rule
WHERE r.tenant = %(tenant)s AND r.grain = %(grain)s AND r.at >= %(since)s AND r.at < %(until)s
    AND r.edition = (SELECT edition FROM finops.editions WHERE tenant = %(tenant)s AND state = 'current')
    AND (%(use_case)s::text IS NULL OR r.use_case = %(use_case)s)
    AND (%(model)s::text IS NULL OR r.model = %(model)s)
    AND (%(outcome)s::text IS NULL OR r.outcome = %(outcome)s)
GROUP BY 1, 2, 3, 4
ORDER BY calls DESC
LIMIT %(limit)s

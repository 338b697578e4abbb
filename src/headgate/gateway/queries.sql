-- name: deployments
SELECT id, spec::text AS spec FROM gateway.deployments WHERE tenant = %(tenant)s ORDER BY id LIMIT 10000

-- name: aliases
SELECT id, spec::text AS spec FROM gateway.aliases WHERE tenant = %(tenant)s ORDER BY id LIMIT 10000

-- name: networks
SELECT id, spec::text AS spec FROM gateway.networks WHERE tenant = %(tenant)s ORDER BY id LIMIT 1000

-- name: prices
SELECT id, spec::text AS spec FROM gateway.prices WHERE tenant = %(tenant)s ORDER BY id LIMIT 10000

-- name: put_price
INSERT INTO gateway.prices (tenant, id, spec) VALUES (%(tenant)s, %(id)s, %(spec)s::jsonb)
ON CONFLICT (tenant, id) DO UPDATE SET spec = excluded.spec, updated_at = now()

-- name: delete_price
DELETE FROM gateway.prices WHERE tenant = %(tenant)s AND id = %(id)s

-- name: put_deployment
INSERT INTO gateway.deployments (tenant, id, spec) VALUES (%(tenant)s, %(id)s, %(spec)s::jsonb)
ON CONFLICT (tenant, id) DO UPDATE SET spec = excluded.spec, updated_at = now()

-- name: put_alias
INSERT INTO gateway.aliases (tenant, id, spec) VALUES (%(tenant)s, %(id)s, %(spec)s::jsonb)
ON CONFLICT (tenant, id) DO UPDATE SET spec = excluded.spec, updated_at = now()

-- name: put_network
INSERT INTO gateway.networks (tenant, id, spec) VALUES (%(tenant)s, %(id)s, %(spec)s::jsonb)
ON CONFLICT (tenant, id) DO UPDATE SET spec = excluded.spec, updated_at = now()

-- name: delete_deployment
DELETE FROM gateway.deployments WHERE tenant = %(tenant)s AND id = %(id)s

-- name: delete_alias
DELETE FROM gateway.aliases WHERE tenant = %(tenant)s AND id = %(id)s

-- name: delete_network
DELETE FROM gateway.networks WHERE tenant = %(tenant)s AND id = %(id)s

-- name: open_allowance
INSERT INTO gateway.allowances (tenant, key_id, kind, window_start, window_end, taken)
VALUES (%(tenant)s, %(key_id)s, %(kind)s, %(window_start)s, %(window_end)s, 0)
ON CONFLICT DO NOTHING

-- name: lock_allowance
SELECT taken FROM gateway.allowances
WHERE tenant = %(tenant)s AND key_id = %(key_id)s AND kind = %(kind)s AND window_start = %(window_start)s
FOR UPDATE

-- name: own_share
SELECT spent + held + spare FROM gateway.allowance_shares
WHERE tenant = %(tenant)s AND key_id = %(key_id)s AND kind = %(kind)s AND window_start = %(window_start)s
  AND worker = %(worker)s

-- name: other_shares
SELECT coalesce(sum(spare), 0)::bigint AS spare, coalesce(sum(held), 0)::bigint AS held
FROM gateway.allowance_shares
WHERE tenant = %(tenant)s AND key_id = %(key_id)s AND kind = %(kind)s AND window_start = %(window_start)s
  AND worker <> %(worker)s AND renewed_at > now() - make_interval(secs => %(lost_s)s)

-- name: put_share
INSERT INTO gateway.allowance_shares
    (tenant, key_id, kind, window_start, window_end, worker, spent, held, spare, refused)
VALUES (%(tenant)s, %(key_id)s, %(kind)s, %(window_start)s, %(window_end)s, %(worker)s, %(spent)s, %(held)s,
    %(spare)s, %(refused)s)
ON CONFLICT (tenant, key_id, kind, window_start, worker) DO UPDATE
SET spent = excluded.spent, held = excluded.held, spare = excluded.spare, refused = excluded.refused,
    renewed_at = now()

-- name: drop_stale_shares
WITH dropped AS (
    DELETE FROM gateway.allowance_shares
    WHERE tenant = %(tenant)s AND key_id = %(key_id)s AND kind = %(kind)s AND window_start = %(window_start)s
      AND worker <> %(worker)s AND renewed_at < now() - make_interval(secs => %(stale_s)s)
    RETURNING spent + held + spare AS taken
)
SELECT coalesce(sum(taken), 0)::bigint FROM dropped

-- name: take_allowance
UPDATE gateway.allowances SET taken = greatest(taken + %(amount)s, 0)
WHERE tenant = %(tenant)s AND key_id = %(key_id)s AND kind = %(kind)s AND window_start = %(window_start)s

-- name: limits_used
-- Without the spare amounts, which workers have leased and not reserved.
SELECT key_id,
    coalesce(sum(spent + held) FILTER (WHERE kind = 'requests'), 0)::bigint AS requests,
    coalesce(sum(spent + held) FILTER (WHERE kind = 'cost'), 0)::bigint AS cost_micros
FROM gateway.allowance_shares
WHERE tenant = %(tenant)s AND key_id = ANY (%(keys)s)
  AND (kind, window_start) IN (('requests', %(minute)s), ('cost', %(day)s))
GROUP BY key_id

-- name: budgets_used
-- Of calls in flight, the shares of workers that are gone do not count.
SELECT w.id, coalesce(sum(s.spent), 0)::bigint AS used, coalesce(sum(s.held), 0)::bigint AS reserved,
    coalesce(sum(s.refused), 0)::bigint AS refused
FROM unnest(%(ids)s::text[], %(subjects)s::text[], %(kinds)s::text[], %(starts)s::timestamptz[])
    AS w (id, subject, kind, start)
JOIN gateway.allowance_shares s
    ON s.tenant = %(tenant)s AND s.key_id = w.subject AND s.kind = w.kind AND s.window_start = w.start
WHERE w.kind <> 'concurrency' OR s.renewed_at > now() - make_interval(secs => %(stale_s)s)
GROUP BY w.id

-- name: forget_allowances
-- Rows of earlier versions have no end: theirs are minutes of requests, and days of money.
DELETE FROM gateway.allowances WHERE (tenant, key_id, kind, window_start) IN (
    SELECT tenant, key_id, kind, window_start FROM gateway.allowances
    WHERE tenant = %(tenant)s AND kind <> 'concurrency'
      AND coalesce(window_end, window_start + CASE kind WHEN 'requests' THEN interval '1 minute' ELSE interval '1 day' END)
        < %(now)s - CASE WHEN coalesce(window_end - window_start <= interval '1 minute', kind = 'requests')
            THEN interval '1 hour' ELSE interval '34 days' END
    LIMIT %(limit)s
)

-- name: forget_shares
DELETE FROM gateway.allowance_shares WHERE (tenant, key_id, kind, window_start, worker) IN (
    SELECT tenant, key_id, kind, window_start, worker FROM gateway.allowance_shares
    WHERE tenant = %(tenant)s AND (
        kind = 'concurrency' AND renewed_at < %(now)s - interval '1 day'
        OR kind <> 'concurrency'
        AND coalesce(window_end, window_start + CASE kind WHEN 'requests' THEN interval '1 minute' ELSE interval '1 day' END)
            < %(now)s - CASE WHEN coalesce(window_end - window_start <= interval '1 minute', kind = 'requests')
                THEN interval '1 hour' ELSE interval '34 days' END
    )
    LIMIT %(limit)s
)

-- name: sightings
SELECT deployment, configuration, answered_at, failed_at, rests_until, why, advice, unhealthy_since
FROM gateway.sightings WHERE tenant = %(tenant)s ORDER BY deployment LIMIT 10000

-- name: put_sighting
INSERT INTO gateway.sightings AS old
    (tenant, deployment, configuration, answered_at, failed_at, rests_until, why, advice, unhealthy_since)
VALUES (%(tenant)s, %(deployment)s, %(configuration)s, %(answered_at)s, %(failed_at)s, %(rests_until)s,
    left(%(why)s, 2000), left(%(advice)s, 2000), %(unhealthy_since)s)
ON CONFLICT (tenant, deployment) DO UPDATE
SET configuration = excluded.configuration,
    answered_at = CASE WHEN old.configuration = excluded.configuration
        THEN coalesce(excluded.answered_at, old.answered_at) ELSE excluded.answered_at END,
    failed_at = CASE WHEN old.configuration = excluded.configuration
        THEN coalesce(excluded.failed_at, old.failed_at) ELSE excluded.failed_at END,
    rests_until = excluded.rests_until,
    unhealthy_since = CASE WHEN excluded.answered_at IS NULL AND old.configuration = excluded.configuration
        THEN coalesce(excluded.unhealthy_since, old.unhealthy_since) ELSE excluded.unhealthy_since END,
    why = CASE WHEN excluded.failed_at IS NULL AND old.configuration = excluded.configuration
        THEN old.why ELSE excluded.why END,
    advice = CASE WHEN excluded.failed_at IS NULL AND old.configuration = excluded.configuration
        THEN old.advice ELSE excluded.advice END

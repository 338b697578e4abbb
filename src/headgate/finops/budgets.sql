-- name: budgets
SELECT id, spec::text AS spec, created_at FROM finops.budgets WHERE tenant = %(tenant)s ORDER BY id LIMIT 10000

-- name: put_budget
INSERT INTO finops.budgets (tenant, id, spec) VALUES (%(tenant)s, %(id)s, %(spec)s::jsonb)
ON CONFLICT (tenant, id) DO UPDATE SET spec = excluded.spec, updated_at = now()

-- name: delete_budget
DELETE FROM finops.budgets WHERE tenant = %(tenant)s AND id = %(id)s

-- name: raise_alerts
-- Each parameter is an array with one element for each alert. Returns those that were not raised before.
INSERT INTO finops.budget_alerts (tenant, budget, subject, period_start, threshold, raised_at)
SELECT %(tenant)s, u.budget, u.subject, u.period_start, u.threshold, %(now)s
FROM unnest(%(budgets)s::text[], %(subjects)s::text[], %(starts)s::timestamptz[], %(thresholds)s::int[])
    AS u (budget, subject, period_start, threshold)
ON CONFLICT DO NOTHING
RETURNING budget, threshold, raised_at

-- name: alerts
SELECT a.budget, a.threshold, a.raised_at
FROM unnest(%(budgets)s::text[], %(subjects)s::text[], %(starts)s::timestamptz[]) AS u (budget, subject, period_start)
JOIN finops.budget_alerts a
    ON a.tenant = %(tenant)s AND a.budget = u.budget AND a.subject = u.subject AND a.period_start = u.period_start
ORDER BY a.budget, a.threshold

-- name: forget_alerts
DELETE FROM finops.budget_alerts WHERE tenant = %(tenant)s AND raised_at < %(before)s

-- name: config_version
SELECT version FROM policy.versions;

-- name: tenants
SELECT id FROM policy.tenants ORDER BY id;

-- name: add_tenant
INSERT INTO policy.tenants (id) VALUES (%(tenant)s) ON CONFLICT DO NOTHING;

-- name: lock_configuration
SELECT pg_advisory_xact_lock(hashtextextended('headgate configuration of ' || %(tenant)s, 0));

-- name: restore_administration
INSERT INTO policy.use_cases (tenant, id, owner, purpose, risk, source)
VALUES (%(tenant)s, 'administration', 'headgate', 'Administer Headgate', 'high', 'built_in')
ON CONFLICT (tenant, id) DO UPDATE SET
    owner = EXCLUDED.owner, purpose = EXCLUDED.purpose, risk = EXCLUDED.risk, floor_level = 0, floor_categories = '{}',
    ceiling_level = 3, ceiling_categories = NULL, deployments = NULL, observe = '{}', expires_at = NULL,
    status = 'live', source = 'built_in', updated_at = now();

-- name: restore_getting_started
INSERT INTO policy.use_cases (tenant, id, owner, purpose, risk, source)
VALUES (%(tenant)s, 'getting-started', 'headgate', 'Try Headgate out with models on our own machines', 'minimal',
    'built_in')
ON CONFLICT (tenant, id) DO NOTHING;

-- name: principal_ids
SELECT id FROM policy.principals WHERE tenant = %(tenant)s ORDER BY id;

-- name: use_case_ids
SELECT id FROM policy.use_cases WHERE tenant = %(tenant)s ORDER BY id;

-- name: live_key_ids
SELECT id FROM policy.api_keys WHERE tenant = %(tenant)s AND revoked_at IS NULL ORDER BY id;

-- name: policy_ids
SELECT id FROM policy.policies WHERE tenant = %(tenant)s ORDER BY id;

-- name: policy
SELECT id, tenant, text, updated_by, updated_at, source FROM policy.policies
WHERE tenant = %(tenant)s AND id = %(id)s;

-- name: principals
SELECT id, tenant, kind, name, roles, level, categories, access, groups, owner, source
FROM policy.principals
WHERE tenant = %(tenant)s
ORDER BY id;

-- name: principal
SELECT id, tenant, kind, name, roles, level, categories, access, groups, owner, source
FROM policy.principals
WHERE tenant = %(tenant)s AND id = %(id)s;

-- name: put_principal
INSERT INTO policy.principals (tenant, id, kind, name, roles, level, categories, access, groups, owner, source)
VALUES (%(tenant)s, %(id)s, %(kind)s, %(name)s, %(roles)s, %(level)s, %(categories)s, %(access)s, %(groups)s, %(owner)s,
    %(source)s)
ON CONFLICT (tenant, id) DO UPDATE SET
    kind = EXCLUDED.kind, name = EXCLUDED.name, roles = EXCLUDED.roles, level = EXCLUDED.level,
    categories = EXCLUDED.categories, access = EXCLUDED.access, groups = EXCLUDED.groups,
    -- The first key of a program sets its owner. A change without an owner keeps it.
    owner = CASE EXCLUDED.owner WHEN '' THEN policy.principals.owner ELSE EXCLUDED.owner END, updated_at = now(),
    -- A built-in entry stays built-in after a change. Else a file without it would remove it.
    source = CASE policy.principals.source WHEN 'built_in' THEN 'built_in' ELSE EXCLUDED.source END;

-- name: delete_principal
DELETE FROM policy.principals WHERE tenant = %(tenant)s AND id = %(id)s AND source <> 'built_in';

-- name: principal_ids_of_source
SELECT id FROM policy.principals WHERE tenant = %(tenant)s AND source = %(source)s ORDER BY id;

-- name: use_cases
SELECT id, tenant, owner, purpose, risk, floor_level, floor_categories, ceiling_level, ceiling_categories, deployments,
    members, observe, expires_at, title, status, review_on
FROM policy.use_cases
WHERE tenant = %(tenant)s
ORDER BY id;

-- name: use_case
SELECT id, tenant, owner, purpose, risk, floor_level, floor_categories, ceiling_level, ceiling_categories, deployments,
    members, observe, expires_at, title, status, review_on
FROM policy.use_cases
WHERE tenant = %(tenant)s AND id = %(id)s;

-- name: put_use_case
INSERT INTO policy.use_cases (tenant, id, owner, purpose, risk, floor_level, floor_categories, ceiling_level,
    ceiling_categories, deployments, members, observe, expires_at, title, status, review_on, source)
VALUES (%(tenant)s, %(id)s, %(owner)s, %(purpose)s, %(risk)s, %(floor_level)s, %(floor_categories)s, %(ceiling_level)s,
    %(ceiling_categories)s, %(deployments)s, coalesce(%(members)s::text[], '{}'), %(observe)s, %(expires_at)s,
    %(title)s, coalesce(%(status)s, 'live'), %(review_on)s, %(source)s)
ON CONFLICT (tenant, id) DO UPDATE SET
    owner = EXCLUDED.owner, purpose = EXCLUDED.purpose, risk = EXCLUDED.risk, floor_level = EXCLUDED.floor_level,
    floor_categories = EXCLUDED.floor_categories, ceiling_level = EXCLUDED.ceiling_level,
    ceiling_categories = EXCLUDED.ceiling_categories, deployments = EXCLUDED.deployments,
    members = coalesce(%(members)s::text[], policy.use_cases.members), observe = EXCLUDED.observe,
    expires_at = EXCLUDED.expires_at, title = EXCLUDED.title,
    status = coalesce(%(status)s, policy.use_cases.status), review_on = EXCLUDED.review_on, updated_at = now(),
    source = CASE policy.use_cases.source WHEN 'built_in' THEN 'built_in' ELSE EXCLUDED.source END;

-- name: set_observe
UPDATE policy.use_cases SET observe = %(observe)s, updated_at = now() WHERE tenant = %(tenant)s AND id = %(id)s;

-- name: set_status
UPDATE policy.use_cases SET status = %(status)s, updated_at = now()
WHERE tenant = %(tenant)s AND id = %(id)s AND source <> 'built_in';

-- name: set_members
UPDATE policy.use_cases SET members = %(members)s, updated_at = now() WHERE tenant = %(tenant)s AND id = %(id)s;

-- name: delete_use_case
DELETE FROM policy.use_cases WHERE tenant = %(tenant)s AND id = %(id)s AND source <> 'built_in';

-- name: use_case_ids_of_source
SELECT id FROM policy.use_cases WHERE tenant = %(tenant)s AND source = %(source)s ORDER BY id;

-- name: live_keys
SELECT tenant, id, principal, use_case, algorithm, digest, prefix, last_four, name, roles, scopes, requests_per_minute,
    spend_micros_per_day, currency, created_at, created_by, expires_at, revoked_at, source, replaced_by
FROM policy.api_keys
WHERE tenant = %(tenant)s AND revoked_at IS NULL
ORDER BY id;

-- name: imported_keys
SELECT tenant, id, principal, use_case, algorithm, digest, prefix, last_four, name, roles, scopes, requests_per_minute,
    spend_micros_per_day, currency, created_at, created_by, expires_at, revoked_at, source, replaced_by
FROM policy.api_keys
WHERE tenant = %(tenant)s AND source = 'file' AND revoked_at IS NULL
ORDER BY id;

-- name: keys_page
SELECT tenant, id, principal, use_case, algorithm, digest, prefix, last_four, name, roles, scopes, requests_per_minute,
    spend_micros_per_day, currency, created_at, created_by, expires_at, revoked_at, source, replaced_by
FROM policy.api_keys
WHERE tenant = %(tenant)s AND id > %(after)s
ORDER BY id
LIMIT %(limit)s;

-- name: key
SELECT tenant, id, principal, use_case, algorithm, digest, prefix, last_four, name, roles, scopes, requests_per_minute,
    spend_micros_per_day, currency, created_at, created_by, expires_at, revoked_at, source, replaced_by
FROM policy.api_keys
WHERE tenant = %(tenant)s AND id = %(id)s;

-- name: add_key
INSERT INTO policy.api_keys (tenant, id, principal, use_case, algorithm, digest, prefix, last_four, name, roles, scopes,
    requests_per_minute, spend_micros_per_day, currency, created_at, created_by, made_by_key, seen_by, expires_at,
    source)
VALUES (%(tenant)s, %(id)s, %(principal)s, %(use_case)s, %(algorithm)s, %(digest)s, %(prefix)s, %(last_four)s, %(name)s,
    %(roles)s, %(scopes)s, %(requests_per_minute)s, %(spend_micros_per_day)s, %(currency)s, %(created_at)s,
    %(created_by)s, %(made_by_key)s, %(seen_by)s, %(expires_at)s, %(source)s);

-- name: put_imported_key
INSERT INTO policy.api_keys (tenant, id, principal, use_case, algorithm, digest, prefix, last_four, name, roles, scopes,
    requests_per_minute, spend_micros_per_day, currency, created_at, created_by, expires_at, source)
VALUES (%(tenant)s, %(id)s, %(principal)s, %(use_case)s, %(algorithm)s, %(digest)s, %(prefix)s, %(last_four)s, %(name)s,
    %(roles)s, %(scopes)s, %(requests_per_minute)s, %(spend_micros_per_day)s, %(currency)s, %(created_at)s,
    %(created_by)s, %(expires_at)s, %(source)s)
ON CONFLICT (tenant, id) DO UPDATE SET
    principal = EXCLUDED.principal, use_case = EXCLUDED.use_case, prefix = EXCLUDED.prefix,
    last_four = EXCLUDED.last_four, name = EXCLUDED.name, roles = EXCLUDED.roles, scopes = EXCLUDED.scopes,
    requests_per_minute = EXCLUDED.requests_per_minute, spend_micros_per_day = EXCLUDED.spend_micros_per_day,
    currency = EXCLUDED.currency, expires_at = EXCLUDED.expires_at, revoked_at = NULL, source = EXCLUDED.source;

-- name: revoke_key
UPDATE policy.api_keys SET revoked_at = %(now)s WHERE tenant = %(tenant)s AND id = %(id)s AND revoked_at IS NULL;

-- name: replace_key
UPDATE policy.api_keys SET replaced_by = %(replaced_by)s, expires_at = %(expires_at)s
WHERE tenant = %(tenant)s AND id = %(id)s AND revoked_at IS NULL AND replaced_by IS NULL;

-- name: set_key_limits
UPDATE policy.api_keys SET requests_per_minute = %(requests_per_minute)s,
    spend_micros_per_day = %(spend_micros_per_day)s, currency = %(currency)s, expires_at = %(expires_at)s
WHERE tenant = %(tenant)s AND id = %(id)s AND revoked_at IS NULL;

-- name: revoke_keys_of_principal
UPDATE policy.api_keys SET revoked_at = %(now)s
WHERE tenant = %(tenant)s AND principal = %(id)s AND revoked_at IS NULL;

-- name: revoke_keys_of_use_case
UPDATE policy.api_keys SET revoked_at = %(now)s
WHERE tenant = %(tenant)s AND use_case = %(id)s AND revoked_at IS NULL;

-- name: live_key_ids_of_source
SELECT id FROM policy.api_keys WHERE tenant = %(tenant)s AND source = %(source)s AND revoked_at IS NULL ORDER BY id;

-- name: policies
SELECT id, tenant, text, updated_by, updated_at, source FROM policy.policies WHERE tenant = %(tenant)s ORDER BY id;

-- name: put_policy
INSERT INTO policy.policies (tenant, id, text, updated_by, source)
VALUES (%(tenant)s, %(id)s, %(text)s, %(updated_by)s, %(source)s)
ON CONFLICT (tenant, id) DO UPDATE SET
    text = EXCLUDED.text, updated_by = EXCLUDED.updated_by, source = EXCLUDED.source, updated_at = now();

-- name: delete_policy
DELETE FROM policy.policies WHERE tenant = %(tenant)s AND id = %(id)s;

-- name: policy_ids_of_source
SELECT id FROM policy.policies WHERE tenant = %(tenant)s AND source = %(source)s ORDER BY id;

-- name: makers_of_key
-- UNION visits each key once, so the recursion ends. It has no limit of depth, because a person
-- could pass any limit with enough keys.
WITH RECURSIVE made (maker, by_key) AS (
    SELECT maker, made_by_key FROM policy.api_keys, unnest(seen_by || created_by) AS maker
    WHERE tenant = %(tenant)s AND id = %(key_id)s AND source = 'api'
    UNION
    SELECT key.maker, key.made_by_key
    FROM made
    JOIN LATERAL (
        SELECT maker, made_by_key FROM policy.api_keys, unnest(seen_by || created_by) AS maker
        WHERE tenant = %(tenant)s AND id = made.by_key AND source = 'api'
        UNION ALL
        SELECT maker, theirs.made_by_key
        FROM policy.principals program
        JOIN policy.api_keys theirs ON theirs.tenant = %(tenant)s AND theirs.principal = program.id
            AND theirs.source = 'api'
        CROSS JOIN unnest(theirs.seen_by || theirs.created_by) AS maker
        WHERE program.tenant = %(tenant)s AND program.id = made.maker AND program.kind <> 'person'
    ) key ON true
)
SELECT coalesce(array_agg(DISTINCT maker ORDER BY maker), '{}') AS makers FROM made;

-- name: unused_approval
SELECT id FROM policy.approvals
WHERE tenant = %(tenant)s AND principal = %(principal)s AND digest = %(digest)s AND approved AND used_at IS NULL
    AND expires_at > %(now)s
LIMIT 1;

-- name: request_approval
INSERT INTO policy.approvals (tenant, id, digest, principal, on_behalf_of, use_case, verb, resource, labels, reasons,
    policy_version, requested_at, expires_at, record, details, makers)
SELECT %(tenant)s, %(id)s, %(digest)s, %(principal)s, %(on_behalf_of)s, %(use_case)s, %(verb)s, %(resource)s,
    %(labels)s, %(reasons)s, %(policy_version)s, %(now)s, %(expires_at)s, %(record)s, %(details)s, %(makers)s
WHERE (
    SELECT count(*) < %(most)s FROM policy.approvals
    WHERE tenant = %(tenant)s AND principal = %(principal)s AND decided_at IS NULL AND expires_at > %(now)s
        AND digest <> %(digest)s
)
ON CONFLICT (tenant, principal, digest) WHERE decided_at IS NULL DO UPDATE SET
    expires_at = EXCLUDED.expires_at,
    makers = ARRAY(SELECT unnest(policy.approvals.makers) UNION SELECT unnest(EXCLUDED.makers) ORDER BY 1)
RETURNING id;

-- name: waiting_approvals
SELECT id, tenant, digest, principal, on_behalf_of, use_case, verb, resource, labels, details, reasons, policy_version,
    record, requested_at, expires_at, approver, decided_at, approved, reason, used_at, makers
FROM policy.approvals
WHERE tenant = %(tenant)s AND decided_at IS NULL AND expires_at > %(now)s AND id < %(before)s
ORDER BY id DESC
LIMIT %(limit)s;

-- name: all_approvals
SELECT id, tenant, digest, principal, on_behalf_of, use_case, verb, resource, labels, details, reasons, policy_version,
    record, requested_at, expires_at, approver, decided_at, approved, reason, used_at, makers
FROM policy.approvals
WHERE tenant = %(tenant)s AND id < %(before)s
ORDER BY id DESC
LIMIT %(limit)s;

-- name: approvals_of
SELECT id, tenant, digest, principal, on_behalf_of, use_case, verb, resource, labels, details, reasons, policy_version,
    record, requested_at, expires_at, approver, decided_at, approved, reason, used_at, makers
FROM policy.approvals
WHERE tenant = %(tenant)s AND principal = %(principal)s AND id < %(before)s
ORDER BY id DESC
LIMIT %(limit)s;

-- name: approval
SELECT id, tenant, digest, principal, on_behalf_of, use_case, verb, resource, labels, details, reasons, policy_version,
    record, requested_at, expires_at, approver, decided_at, approved, reason, used_at, makers
FROM policy.approvals
WHERE tenant = %(tenant)s AND id = %(id)s;

-- name: decide_approval
UPDATE policy.approvals
SET approver = %(approver)s, decided_at = %(now)s, approved = %(approved)s, reason = %(reason)s,
    expires_at = %(expires_at)s
WHERE tenant = %(tenant)s AND id = %(id)s AND decided_at IS NULL AND expires_at > %(now)s;

-- name: use_approval
UPDATE policy.approvals SET used_at = %(now)s
WHERE tenant = %(tenant)s AND id = %(id)s AND digest = %(digest)s AND principal = %(principal)s AND approved
    AND used_at IS NULL AND expires_at > %(now)s;

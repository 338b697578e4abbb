-- name: add_sign_in
INSERT INTO people.sign_ins (tenant, digest, principal, expires_at, made_by, roles)
VALUES (%(tenant)s, %(digest)s, %(principal)s, %(expires_at)s, %(made_by)s, %(roles)s);

-- name: sign_in
SELECT principal FROM people.sign_ins WHERE tenant = %(tenant)s AND digest = %(digest)s AND expires_at > %(now)s;

-- name: redeem_sign_in
DELETE FROM people.sign_ins
WHERE tenant = %(tenant)s AND digest = %(digest)s AND expires_at > %(now)s
RETURNING principal, made_by, roles;

-- name: forget_expired_sign_ins
DELETE FROM people.sign_ins WHERE tenant = %(tenant)s AND expires_at <= %(now)s;

-- name: add_session
INSERT INTO people.sessions (tenant, digest, principal, created_at, expires_at, let_in_by, roles, agent, seen_at)
VALUES (%(tenant)s, %(digest)s, %(principal)s, %(now)s, %(expires_at)s, %(let_in_by)s, %(roles)s, %(agent)s, %(now)s);

-- name: session
SELECT tenant, digest, principal, created_at, expires_at, seen_at, agent, let_in_by, roles
FROM people.sessions
WHERE tenant = %(tenant)s AND digest = %(digest)s AND expires_at > %(now)s
    AND coalesce(seen_at, created_at) > %(used_after)s;

-- name: sessions_of
SELECT tenant, digest, principal, created_at, expires_at, seen_at, agent, let_in_by, roles
FROM people.sessions
WHERE tenant = %(tenant)s AND principal = %(principal)s AND expires_at > %(now)s
    AND coalesce(seen_at, created_at) > %(used_after)s
ORDER BY created_at DESC, digest
LIMIT %(limit)s;

-- name: session_counts
SELECT principal, roles, count(*) AS count
FROM people.sessions
WHERE tenant = %(tenant)s AND principal = ANY(%(principals)s) AND expires_at > %(now)s
    AND coalesce(seen_at, created_at) > %(used_after)s
GROUP BY principal, roles;

-- name: owner_of_session
SELECT principal FROM people.sessions
WHERE tenant = %(tenant)s AND left(encode(digest, 'hex'), 16) = %(name)s AND expires_at > %(now)s
    AND coalesce(seen_at, created_at) > %(used_after)s;

-- name: end_session
DELETE FROM people.sessions WHERE tenant = %(tenant)s AND digest = %(digest)s;

-- name: end_named_session
DELETE FROM people.sessions
WHERE tenant = %(tenant)s AND principal = %(principal)s AND left(encode(digest, 'hex'), 16) = %(name)s;

-- name: end_sessions
DELETE FROM people.sessions
WHERE tenant = %(tenant)s AND principal = %(principal)s
    AND left(encode(digest, 'hex'), 16) IS DISTINCT FROM %(but)s;

-- name: end_links
DELETE FROM people.sign_ins WHERE tenant = %(tenant)s AND principal = %(principal)s;

-- name: forget_expired_sessions
DELETE FROM people.sessions
WHERE tenant = %(tenant)s AND (expires_at <= %(now)s OR coalesce(seen_at, created_at) <= %(used_after)s);

-- name: note_sessions
UPDATE people.sessions SET seen_at = %(now)s
WHERE tenant = %(tenant)s AND principal = ANY(%(principals)s) AND left(encode(digest, 'hex'), 16) = ANY(%(names)s) AND (seen_at IS NULL OR seen_at < %(before)s);

-- name: note_principals
INSERT INTO people.seen (tenant, principal, at)
SELECT %(tenant)s, principal, %(now)s FROM unnest(%(principals)s::text[]) AS principal
ON CONFLICT (tenant, principal) DO UPDATE SET at = EXCLUDED.at WHERE people.seen.at < %(before)s;

-- name: seen
SELECT principal, at FROM people.seen WHERE tenant = %(tenant)s AND principal = ANY(%(principals)s);

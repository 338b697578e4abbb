-- name: add_sign_in
INSERT INTO server.sign_ins (tenant, digest, principal, expires_at)
VALUES (%(tenant)s, %(digest)s, %(principal)s, %(expires_at)s);

-- name: sign_in
SELECT principal FROM server.sign_ins WHERE tenant = %(tenant)s AND digest = %(digest)s AND expires_at > %(now)s;

-- name: redeem_sign_in
DELETE FROM server.sign_ins
WHERE tenant = %(tenant)s AND digest = %(digest)s AND expires_at > %(now)s
RETURNING principal;

-- name: forget_expired_sign_ins
DELETE FROM server.sign_ins WHERE tenant = %(tenant)s AND expires_at <= %(now)s;

-- name: add_session
INSERT INTO server.sessions (tenant, digest, principal, created_at, expires_at)
VALUES (%(tenant)s, %(digest)s, %(principal)s, %(now)s, %(expires_at)s);

-- name: session
SELECT principal, expires_at
FROM server.sessions
WHERE tenant = %(tenant)s AND digest = %(digest)s AND expires_at > %(now)s;

-- name: end_session
DELETE FROM server.sessions WHERE tenant = %(tenant)s AND digest = %(digest)s;

-- name: forget_expired_sessions
DELETE FROM server.sessions WHERE tenant = %(tenant)s AND expires_at <= %(now)s;

-- name: add_config_change
INSERT INTO server.config_changes (tenant, made_at, principal, way, version, changes)
VALUES (%(tenant)s, %(made_at)s, %(principal)s, %(way)s, %(version)s, %(changes)s::jsonb)
RETURNING id;

-- name: link_config_change
UPDATE server.config_changes SET record = %(record)s WHERE tenant = %(tenant)s AND id = %(id)s;

-- name: config_changes
SELECT id, made_at, principal, way, version, changes::text AS changes, record
FROM server.config_changes
WHERE tenant = %(tenant)s AND id < %(before)s
ORDER BY id DESC LIMIT %(limit)s;

-- name: config_change
SELECT id, made_at, principal, way, version, changes::text AS changes, record
FROM server.config_changes WHERE tenant = %(tenant)s AND id = %(id)s;

-- name: forget_config_changes
DELETE FROM server.config_changes
WHERE tenant = %(tenant)s AND id NOT IN (
    SELECT id FROM server.config_changes WHERE tenant = %(tenant)s ORDER BY id DESC LIMIT %(kept)s
);

-- name: put_entry_origin
INSERT INTO server.entry_origins (tenant, section, entry, origin)
VALUES (%(tenant)s, %(section)s, %(entry)s, %(origin)s)
ON CONFLICT (tenant, section, entry) DO UPDATE SET origin = excluded.origin;

-- name: forget_entry_origin
DELETE FROM server.entry_origins WHERE tenant = %(tenant)s AND section = %(section)s AND entry = %(entry)s;

-- name: entry_origins
SELECT section, entry, origin FROM server.entry_origins WHERE tenant = %(tenant)s ORDER BY section, entry LIMIT 100000;

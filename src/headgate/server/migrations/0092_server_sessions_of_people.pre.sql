-- Links and sessions go with whom they are for, so that whoever is registered by the same id later is somebody else.

DO $$
DECLARE
    here text;
BEGIN
    FOR here IN SELECT id FROM policy.tenants LOOP
        PERFORM set_config('app.tenant', here, true);
        DELETE FROM server.sign_ins link
            WHERE NOT EXISTS (SELECT FROM policy.principals p WHERE p.tenant = link.tenant AND p.id = link.principal);
        DELETE FROM server.sessions session
            WHERE NOT EXISTS (SELECT FROM policy.principals p WHERE p.tenant = session.tenant AND p.id = session.principal);
    END LOOP;
END
$$;

ALTER TABLE server.sign_ins ADD FOREIGN KEY (tenant, principal) REFERENCES policy.principals ON DELETE CASCADE;
ALTER TABLE server.sessions ADD FOREIGN KEY (tenant, principal) REFERENCES policy.principals ON DELETE CASCADE;

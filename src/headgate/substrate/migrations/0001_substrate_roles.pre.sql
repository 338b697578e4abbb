-- The roles that processes act as, and the one line that makes a table a tenant's table.
--
-- Conventions for every migration of every feature:
--   * A feature owns one schema, and names every object with it: CREATE SCHEMA ledger; CREATE TABLE ledger.records (...).
--   * Every table that holds anything of a tenant has `tenant text NOT NULL`, and the migration that makes it says
--         SELECT substrate.protect('ledger.records');
--     which forces row-level security on it: a session sees and writes the rows of the tenant in `app.tenant`, and with
--     that setting empty or unset it sees and writes nothing. FORCE: not even the owner is exempt; only superusers are.
--   * Nothing is granted by default. Say what each role may do, and no more:
--         GRANT USAGE ON SCHEMA ledger TO headgate_app;
--         GRANT SELECT, INSERT ON ledger.records TO headgate_app;
--     Partitions get no grants of their own: row-level security of the parent holds only for access through the parent.
--   * Who must write or read across tenants (the shipper, the sequencer) gets a policy of its own, for one command:
--         CREATE POLICY shipper ON ledger.records FOR INSERT TO headgate_writer WITH CHECK (tenant <> '');
--
-- The roles are made without a way to log in; whoever runs the server gives them one (see headgate.substrate.roles).
-- They may exist already, made by whoever runs the server; then they must be as harmless as the ones made here.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['headgate_app', 'headgate_writer', 'headgate_sequencer', 'headgate_admin'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
                EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN NOINHERIT', wanted);
            END IF;
            IF NOT pg_catalog.pg_has_role(current_user, wanted, 'SET') THEN
                EXECUTE pg_catalog.format('GRANT %I TO CURRENT_USER WITH INHERIT FALSE, SET TRUE', wanted);
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'role % must not make the roles of Headgate', current_user USING
                ERRCODE = 'insufficient_privilege',
                HINT = pg_catalog.format(
                    'Let a superuser run, once:'
                    ' CREATE ROLE headgate_app NOLOGIN NOINHERIT;'
                    ' CREATE ROLE headgate_writer NOLOGIN NOINHERIT;'
                    ' CREATE ROLE headgate_sequencer NOLOGIN NOINHERIT;'
                    ' CREATE ROLE headgate_admin NOLOGIN NOINHERIT;'
                    ' GRANT headgate_app, headgate_writer, headgate_sequencer, headgate_admin TO %I'
                    ' WITH INHERIT FALSE, SET TRUE;', current_user);
        END;
        IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted AND (rolsuper OR rolbypassrls)) THEN
            RAISE EXCEPTION 'role % could see the data of every tenant', wanted
                USING HINT = pg_catalog.format('Run: ALTER ROLE %I NOSUPERUSER NOBYPASSRLS;', wanted);
        END IF;
    END LOOP;
END
$$;

CREATE FUNCTION substrate.protect(target regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = target AND attname = 'tenant' AND atttypid = 'text'::regtype AND attnotnull AND NOT attisdropped
    ) THEN
        RAISE EXCEPTION 'table % has no column "tenant text NOT NULL"', target;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', target);
    -- NULL, and so no, where the setting was never set or is empty; a row of the tenant '' belongs to nobody.
    EXECUTE format(
        'CREATE POLICY tenant_only ON %s '
        'USING (tenant = nullif(current_setting(''app.tenant'', true), '''')) '
        'WITH CHECK (tenant = nullif(current_setting(''app.tenant'', true), ''''))',
        target
    );
END
$$;

COMMENT ON FUNCTION substrate.protect(regclass) IS 'Makes a table show and take only rows of the tenant in app.tenant.';
REVOKE ALL ON FUNCTION substrate.protect(regclass) FROM PUBLIC;

-- Records whose own principal deleted their content. The records stay in the log; only their sealed parts go.

CREATE TABLE ledger.forgotten (
    tenant text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    principal text COLLATE "C" NOT NULL,   -- the pseudonym of who asked; it counts for records of this principal only
    forgotten_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, record, principal)
);
SELECT substrate.protect('ledger.forgotten');
GRANT SELECT ON ledger.forgotten TO headgate_app, headgate_writer;
CREATE POLICY shipper ON ledger.forgotten FOR SELECT TO headgate_writer USING (tenant <> '');

-- Deletes the sealed parts of records of one principal, and of their attempts. Records that are not shipped yet are
-- remembered, and the shipper leaves their parts out: both hold the lock, so that neither misses the other.
-- A function of the owner, because no role may delete parts otherwise.
CREATE FUNCTION ledger.forget(of_tenant text, of_principal text, of_records text[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog
AS $$
DECLARE
    deleted bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger.parts'));
    INSERT INTO ledger.forgotten (tenant, record, principal, forgotten_at)
    SELECT of_tenant, one, of_principal, now() FROM unnest(of_records) AS one
    ON CONFLICT DO NOTHING;
    WITH own AS (
        SELECT id FROM ledger.records
        WHERE tenant = of_tenant AND principal = of_principal AND id = ANY (of_records)
        UNION
        SELECT id FROM ledger.records
        WHERE tenant = of_tenant AND principal = of_principal AND root = ANY (of_records)
    ),
    gone AS (
        DELETE FROM ledger.parts p USING own WHERE p.tenant = of_tenant AND p.record = own.id RETURNING p.record
    )
    SELECT count(*) INTO deleted FROM gone;
    RETURN deleted;
END
$$;
REVOKE ALL ON FUNCTION ledger.forget(text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.forget(text, text, text[]) TO headgate_app;

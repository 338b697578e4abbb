-- A time beyond the year 9999 or before the year 1 is one that PostgreSQL keeps and no worker can read: no such row is
-- taken any more, and what there is of them is brought within bounds. What is built in is so again where a file took it over.

DO $$
DECLARE
    earliest CONSTANT timestamptz := '1970-01-01 00:00:00+00';
    latest CONSTANT timestamptz := '3000-01-01 00:00:00+00';
    here text;
BEGIN
    FOR here IN SELECT id FROM policy.tenants LOOP
        PERFORM set_config('app.tenant', here, true);
        UPDATE policy.use_cases SET expires_at = least(greatest(expires_at, earliest), latest)
            WHERE expires_at NOT BETWEEN earliest AND latest;
        UPDATE policy.api_keys SET expires_at = least(greatest(expires_at, earliest), latest)
            WHERE expires_at NOT BETWEEN earliest AND latest;
        UPDATE policy.principals SET source = 'built_in'
            WHERE source <> 'built_in' AND (id = 'headgate' OR (id = 'admin' AND tenant = 'default'));
    END LOOP;
END
$$;
-- The changes are counted now: with that still to be done, the tables could not be altered.
SET CONSTRAINTS ALL IMMEDIATE;

ALTER TABLE policy.use_cases ADD CONSTRAINT use_cases_expires_at_check
    CHECK (expires_at BETWEEN '1970-01-01 00:00:00+00' AND '3000-01-01 00:00:00+00');
ALTER TABLE policy.api_keys ADD CONSTRAINT api_keys_expires_at_check
    CHECK (expires_at BETWEEN '1970-01-01 00:00:00+00' AND '3000-01-01 00:00:00+00');

-- Records, their sealed parts, and the logs that they become leaves of.
--
-- A closed record never changes: no role may update or delete one. What is still open lies in a table of its own and
-- moves over when it closes, so that the indexes below are written once per record.
--
-- Records, parts and marks are partitioned by month, so that retention is dropping a partition. The key is the record's
-- ULID, which begins with its time: ids sort as records came in, one index serves lookup and listing, and PostgreSQL
-- can still keep (tenant, id) unique over all partitions. What has an id of no prepared month lies in the default one.

CREATE SCHEMA ledger;
GRANT USAGE ON SCHEMA ledger TO headgate_app, headgate_admin, headgate_writer, headgate_sequencer;

CREATE TABLE ledger.records (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz NOT NULL,
    verb text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL
        CHECK (outcome IN ('done', 'refused', 'failed', 'interrupted', 'abandoned', 'in_doubt')),
    use_case text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    principal text COLLATE "C" NOT NULL,
    parent text COLLATE "C",
    root text COLLATE "C",
    leaf bytea NOT NULL CHECK (octet_length(leaf) <= 65535),  -- all that the log holds of it; the rest is for finding it
    PRIMARY KEY (tenant, id)
) PARTITION BY RANGE (id);

-- One index for each filter, each ending in the order of the list, so that a page is read and nothing is sorted.
CREATE INDEX records_by_verb ON ledger.records (tenant, verb, id);
CREATE INDEX records_by_outcome ON ledger.records (tenant, outcome, id);
CREATE INDEX records_by_use_case ON ledger.records (tenant, use_case, id);
CREATE INDEX records_by_resource ON ledger.records (tenant, resource, id);
CREATE INDEX records_by_principal ON ledger.records (tenant, principal, id);
CREATE INDEX records_by_parent ON ledger.records (tenant, parent, id) WHERE parent IS NOT NULL;
CREATE INDEX records_by_root ON ledger.records (tenant, root, id) WHERE root IS NOT NULL;

-- What a record has several of, and is found by: `rule:<id>`, `category:<name>`. (A GIN index gives no order.)
CREATE TABLE ledger.marks (
    tenant text COLLATE "C" NOT NULL,
    mark text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, mark, record)
) PARTITION BY RANGE (record);

CREATE TABLE ledger.parts (
    tenant text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    seal text NOT NULL,                         -- the partition of the key, see ledger/keys.py
    envelope bytea STORAGE EXTERNAL NOT NULL,   -- ciphertext: trying to compress it is wasted
    PRIMARY KEY (tenant, record, name)
) PARTITION BY RANGE (record);

CREATE TABLE ledger.records_other PARTITION OF ledger.records DEFAULT;
CREATE TABLE ledger.marks_other PARTITION OF ledger.marks DEFAULT;
CREATE TABLE ledger.parts_other PARTITION OF ledger.parts DEFAULT;

-- Records that are open: what is known of them, and whose journal they are in.
CREATE TABLE ledger.openings (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    worker text COLLATE "C" NOT NULL,
    leaf bytea NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
CREATE INDEX openings_by_worker ON ledger.openings (worker);

-- Closed records that have no place in their log yet, in the order of their arrival.
CREATE TABLE ledger.pending (
    arrival bigint GENERATED ALWAYS AS IDENTITY,
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, arrival)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- Which record is which leaf. The second key is what makes "twice" impossible.
CREATE TABLE ledger.leaves (
    tenant text COLLATE "C" NOT NULL,
    leaf_index bigint NOT NULL CHECK (leaf_index >= 0),
    id text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, leaf_index),
    UNIQUE (tenant, id)
);

-- One log for each tenant. `epoch` counts its sequencers: a head moves only under the last one's.
CREATE TABLE ledger.logs (
    tenant text COLLATE "C" PRIMARY KEY CHECK (tenant ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),  -- it names files
    origin text NOT NULL,
    size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
    root bytea NOT NULL,
    frontier bytea NOT NULL,
    epoch bigint NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT now()
);

SELECT substrate.protect('ledger.records');
SELECT substrate.protect('ledger.marks');
SELECT substrate.protect('ledger.parts');
SELECT substrate.protect('ledger.openings');
SELECT substrate.protect('ledger.pending');
SELECT substrate.protect('ledger.leaves');
SELECT substrate.protect('ledger.logs');

-- Whoever reads, reads the tenant's own.
GRANT SELECT ON ledger.records, ledger.marks, ledger.parts, ledger.openings, ledger.leaves, ledger.logs
    TO headgate_app, headgate_admin;

-- The shipper adds for all tenants; it can read nothing but what is open, to close it when its worker has died.
GRANT INSERT ON ledger.records, ledger.marks, ledger.parts, ledger.pending TO headgate_writer;
GRANT SELECT, INSERT, DELETE ON ledger.openings TO headgate_writer;
CREATE POLICY shipper ON ledger.records FOR INSERT TO headgate_writer WITH CHECK (tenant <> '');
CREATE POLICY shipper ON ledger.marks FOR INSERT TO headgate_writer WITH CHECK (tenant <> '');
CREATE POLICY shipper ON ledger.parts FOR INSERT TO headgate_writer WITH CHECK (tenant <> '');
CREATE POLICY shipper ON ledger.pending FOR INSERT TO headgate_writer WITH CHECK (tenant <> '');
CREATE POLICY shipper ON ledger.openings TO headgate_writer USING (tenant <> '') WITH CHECK (tenant <> '');

-- The sequencer sees across tenants only which logs there are and which have something to do; the work on a log is done
-- as its tenant. It can read leaves, never parts.
GRANT SELECT ON ledger.records TO headgate_sequencer;
GRANT SELECT, DELETE ON ledger.pending TO headgate_sequencer;
GRANT SELECT, INSERT ON ledger.leaves TO headgate_sequencer;
GRANT SELECT, INSERT ON ledger.logs TO headgate_sequencer;
GRANT UPDATE (size, root, frontier, epoch, updated_at) ON ledger.logs TO headgate_sequencer;
CREATE POLICY sequencer ON ledger.pending FOR SELECT TO headgate_sequencer USING (tenant <> '');
CREATE POLICY sequencer ON ledger.logs FOR SELECT TO headgate_sequencer USING (tenant <> '');

-- The beginning of the ULIDs of a time: 48 bits of milliseconds in ten characters of Crockford's base 32.
CREATE FUNCTION ledger.ulid_floor(moment timestamptz) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog
AS $$
    SELECT string_agg(
        substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', ((floor(extract(epoch FROM moment) * 1000)::bigint >> shift) & 31)::int + 1, 1),
        '' ORDER BY shift DESC
    )
    FROM generate_series(0, 45, 5) AS shift
$$;

-- Makes the partitions of this month and the two after it. The shipper calls it, before its first record and daily. By a
-- function of the owner: nobody else may change the tables. Where the default partition already holds records of
-- a month, that month stays there.
CREATE FUNCTION ledger.prepare_months() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog
    SET lock_timeout = '2s'
AS $$
DECLARE
    parent text;
    part text;
    first timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger.prepare_months'));
    FOR first IN
        SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead)) AT TIME ZONE 'UTC'
        FROM generate_series(0, 2) AS ahead
    LOOP
        FOREACH parent IN ARRAY ARRAY['records', 'marks', 'parts'] LOOP
            part := format('%s_%s', parent, to_char(first AT TIME ZONE 'UTC', 'YYYY_MM'));
            CONTINUE WHEN to_regclass(format('ledger.%I', part)) IS NOT NULL;
            BEGIN
                EXECUTE format(
                    'CREATE TABLE ledger.%I PARTITION OF ledger.%I FOR VALUES FROM (%L) TO (%L)',
                    part, parent, ledger.ulid_floor(first),
                    ledger.ulid_floor((first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC')
                );
            EXCEPTION WHEN check_violation THEN
                RAISE NOTICE 'the default partition of ledger.% holds records of %', parent, part;
            END;
        END LOOP;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION ledger.prepare_months(), ledger.ulid_floor(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.prepare_months() TO headgate_writer;

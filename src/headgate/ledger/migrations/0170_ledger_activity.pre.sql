-- Calls apart from administration, calls by key, and saved views. The predicates of the two first indexes are those of the
-- queries' filter `kind`; `outcome` lets a count read the index alone. Building them takes about three seconds for a million
-- records; meanwhile records wait in the journals. Records that are already there have no key: the filter by key finds those
-- that come in from now on.
SET LOCAL statement_timeout = 0;
ALTER TABLE ledger.records ADD COLUMN key_id text COLLATE "C";
CREATE INDEX records_of_calls ON ledger.records (tenant, id) INCLUDE (outcome)
    WHERE parent IS NULL AND use_case NOT IN ('administration', 'jobs');
CREATE INDEX records_of_administration ON ledger.records (tenant, id) INCLUDE (outcome)
    WHERE parent IS NULL AND use_case IN ('administration', 'jobs');
CREATE INDEX records_by_key ON ledger.records (tenant, key_id, id) WHERE key_id IS NOT NULL;

-- Filters of the list under a name, of one person or for all of the tenant.
CREATE TABLE ledger.views (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    filters jsonb NOT NULL CHECK (octet_length(filters::text) <= 8192),
    is_shared boolean NOT NULL,
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, owner, name)
);
SELECT substrate.protect('ledger.views');
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.views TO headgate_app;
GRANT SELECT ON ledger.views TO headgate_admin;

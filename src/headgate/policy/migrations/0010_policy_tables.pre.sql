-- Who may do what: registered people and programs, use cases, API keys, policies of a tenant's own.

CREATE SCHEMA policy;
GRANT USAGE ON SCHEMA policy TO headgate_app, headgate_admin;

-- The names of the tenants, and nothing else of them: a worker serves them all, and reads each one's rows as that tenant.
CREATE TABLE policy.tenants (
    id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One row: how often the configuration changed, so that a worker sees with one cheap look whether it is up to date.
CREATE TABLE policy.versions (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version bigint NOT NULL
);
INSERT INTO policy.versions (version) VALUES (1);

CREATE TABLE policy.principals (
    tenant text NOT NULL REFERENCES policy.tenants (id),
    id text NOT NULL CHECK (id <> '' AND length(id) <= 200),
    kind text NOT NULL CHECK (kind IN ('person', 'service', 'agent')),
    name text NOT NULL DEFAULT '' CHECK (length(name) <= 200),
    roles text[] NOT NULL DEFAULT '{}',
    level smallint NOT NULL DEFAULT 3 CHECK (level BETWEEN 0 AND 3),
    categories text[],  -- NULL: cleared for every category
    access text[],      -- NULL: on every access list
    source text NOT NULL DEFAULT 'api' CHECK (source IN ('api', 'file', 'built_in')),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

CREATE TABLE policy.use_cases (
    tenant text NOT NULL REFERENCES policy.tenants (id),
    id text NOT NULL CHECK (id ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    owner text NOT NULL CHECK (owner <> '' AND length(owner) <= 200),
    purpose text NOT NULL CHECK (purpose <> '' AND length(purpose) <= 2000),
    risk text NOT NULL CHECK (risk IN ('minimal', 'limited', 'high')),
    floor_level smallint NOT NULL DEFAULT 0 CHECK (floor_level BETWEEN 0 AND 3),
    floor_categories text[] NOT NULL DEFAULT '{}',
    ceiling_level smallint NOT NULL DEFAULT 3 CHECK (ceiling_level BETWEEN 0 AND 3),
    ceiling_categories text[],  -- NULL: any category
    deployments text[],         -- NULL: every deployment that is cleared for the content
    observe text[] NOT NULL DEFAULT '{}',
    expires_at timestamptz,
    source text NOT NULL DEFAULT 'api' CHECK (source IN ('api', 'file', 'built_in')),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

-- No foreign keys to principals and use cases: those can be deleted, and a key that records name cannot. Deleting them
-- revokes their keys, and a key whose principal or use case is not there authenticates nobody.
CREATE TABLE policy.api_keys (
    tenant text NOT NULL REFERENCES policy.tenants (id),
    id text NOT NULL UNIQUE CHECK (id ~ '^[0-9a-z]{8,64}$'),
    principal text NOT NULL,
    use_case text NOT NULL,
    algorithm text NOT NULL CHECK (algorithm IN ('sha256', 'sha512', 'blake2b')),
    digest bytea NOT NULL CHECK (length(digest) = CASE algorithm WHEN 'sha256' THEN 32 ELSE 64 END),
    prefix text NOT NULL CHECK (length(prefix) <= 16),
    last_four text NOT NULL DEFAULT '' CHECK (length(last_four) <= 4),
    name text NOT NULL DEFAULT '' CHECK (length(name) <= 200),
    roles text[] NOT NULL DEFAULT '{}',
    scopes text[] NOT NULL DEFAULT '{}',
    requests_per_minute integer CHECK (requests_per_minute > 0),
    spend_micros_per_day bigint CHECK (spend_micros_per_day >= 0),
    currency text CHECK (currency ~ '^[A-Z]{3}$'),
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    source text NOT NULL DEFAULT 'api' CHECK (source IN ('api', 'file', 'built_in')),
    PRIMARY KEY (tenant, id),
    UNIQUE (algorithm, digest),
    CHECK ((spend_micros_per_day IS NULL) = (currency IS NULL))
);
CREATE INDEX api_keys_of_principal ON policy.api_keys (tenant, principal) WHERE revoked_at IS NULL;
CREATE INDEX api_keys_of_use_case ON policy.api_keys (tenant, use_case) WHERE revoked_at IS NULL;

CREATE TABLE policy.policies (
    tenant text NOT NULL REFERENCES policy.tenants (id),
    id text NOT NULL CHECK (id ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    text text NOT NULL CHECK (text <> '' AND length(text) <= 256000),
    updated_by text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    source text NOT NULL DEFAULT 'api' CHECK (source IN ('api', 'file', 'built_in')),
    PRIMARY KEY (tenant, id)
);

-- What policy answers with "ask": a person's approval of one action, for use once. No content is kept here.
CREATE TABLE policy.approvals (
    tenant text NOT NULL REFERENCES policy.tenants (id),
    id text NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    principal text NOT NULL,
    on_behalf_of text[] NOT NULL DEFAULT '{}',
    use_case text NOT NULL,
    verb text NOT NULL,
    resource text NOT NULL,
    labels text NOT NULL,
    reasons text[] NOT NULL,
    policy_version text NOT NULL,
    requested_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    approver text,
    decided_at timestamptz,
    approved boolean,
    used_at timestamptz,
    PRIMARY KEY (tenant, id),
    CHECK ((decided_at IS NULL) = (approved IS NULL) AND (decided_at IS NULL) = (approver IS NULL)),
    CHECK (used_at IS NULL OR approved)
);
CREATE UNIQUE INDEX approvals_undecided ON policy.approvals (tenant, principal, digest) WHERE decided_at IS NULL;
CREATE INDEX approvals_unused ON policy.approvals (tenant, principal, digest) WHERE approved AND used_at IS NULL;

-- Every change counts, and wakes whoever listens, when it commits. Counted at the end of the transaction, so that the
-- counter's row is locked for a moment only; by a function of the owner, so that nobody else can set the counter.
CREATE FUNCTION policy.count_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog
AS $$
BEGIN
    UPDATE policy.versions SET version = version + 1;
    PERFORM pg_notify('headgate_config', '');
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION policy.count_change() FROM PUBLIC;

CREATE CONSTRAINT TRIGGER count_change AFTER INSERT OR UPDATE OR DELETE ON policy.tenants
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION policy.count_change();
CREATE CONSTRAINT TRIGGER count_change AFTER INSERT OR UPDATE OR DELETE ON policy.principals
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION policy.count_change();
CREATE CONSTRAINT TRIGGER count_change AFTER INSERT OR UPDATE OR DELETE ON policy.use_cases
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION policy.count_change();
CREATE CONSTRAINT TRIGGER count_change AFTER INSERT OR UPDATE OR DELETE ON policy.api_keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION policy.count_change();
CREATE CONSTRAINT TRIGGER count_change AFTER INSERT OR UPDATE OR DELETE ON policy.policies
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION policy.count_change();

-- What comes with a new tenant: the built-in use cases, and Headgate's own principal for background work.
CREATE FUNCTION policy.furnish_tenant() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $$
DECLARE
    before text := current_setting('app.tenant', true);
BEGIN
    PERFORM set_config('app.tenant', NEW.id, true);
    INSERT INTO policy.principals (tenant, id, kind, name, roles, source)
        VALUES (NEW.id, 'headgate', 'service', 'Headgate', '{job}', 'built_in');
    INSERT INTO policy.use_cases (tenant, id, owner, purpose, risk, source) VALUES
        (NEW.id, 'getting-started', 'headgate', 'Try Headgate out with models on our own machines', 'minimal', 'built_in'),
        (NEW.id, 'administration', 'headgate', 'Administer Headgate', 'high', 'built_in'),
        (NEW.id, 'jobs', 'headgate', 'Background work of Headgate itself', 'minimal', 'built_in');
    PERFORM set_config('app.tenant', coalesce(before, ''), true);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION policy.furnish_tenant() FROM PUBLIC;
CREATE TRIGGER furnish_tenant AFTER INSERT ON policy.tenants
    FOR EACH ROW EXECUTE FUNCTION policy.furnish_tenant();

SELECT substrate.protect('policy.principals');
SELECT substrate.protect('policy.use_cases');
SELECT substrate.protect('policy.api_keys');
SELECT substrate.protect('policy.policies');
SELECT substrate.protect('policy.approvals');

GRANT SELECT ON policy.tenants, policy.versions, policy.principals, policy.use_cases, policy.api_keys, policy.policies
    TO headgate_app, headgate_admin;
GRANT INSERT ON policy.tenants TO headgate_admin;
GRANT INSERT, UPDATE, DELETE ON policy.principals, policy.use_cases, policy.policies TO headgate_admin;
-- Keys are revoked, never deleted: records name them.
GRANT INSERT, UPDATE ON policy.api_keys TO headgate_admin;

-- Workers file requests and consume approvals; people decide through administration.
GRANT SELECT, INSERT ON policy.approvals TO headgate_app;
GRANT UPDATE (expires_at, used_at) ON policy.approvals TO headgate_app;
GRANT SELECT ON policy.approvals TO headgate_admin;
GRANT UPDATE (approver, decided_at, approved, expires_at) ON policy.approvals TO headgate_admin;

INSERT INTO policy.tenants (id) VALUES ('default');

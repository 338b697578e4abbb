-- The catalogue: what can be called, and where it goes. Specifications are checked before they are stored (gateway/models.py).

CREATE SCHEMA gateway;
GRANT USAGE ON SCHEMA gateway TO headgate_app, headgate_admin;

CREATE TABLE gateway.deployments (
    tenant text NOT NULL,
    id text NOT NULL,
    spec jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

CREATE TABLE gateway.aliases (
    tenant text NOT NULL,
    id text NOT NULL,
    spec jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

CREATE TABLE gateway.networks (
    tenant text NOT NULL,
    id text NOT NULL,
    spec jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

-- What each worker took from a key's limit: pre-debited, so that all workers together never exceed it.
CREATE TABLE gateway.allowances (
    tenant text NOT NULL,
    key_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('requests', 'cost')),
    window_start timestamptz NOT NULL,
    taken bigint NOT NULL CHECK (taken >= 0),
    PRIMARY KEY (tenant, key_id, kind, window_start)
);

SELECT substrate.protect('gateway.deployments');
SELECT substrate.protect('gateway.aliases');
SELECT substrate.protect('gateway.networks');
SELECT substrate.protect('gateway.allowances');

GRANT SELECT ON gateway.deployments, gateway.aliases, gateway.networks TO headgate_app, headgate_admin;
GRANT INSERT, UPDATE, DELETE ON gateway.deployments, gateway.aliases, gateway.networks TO headgate_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.allowances TO headgate_app;

-- The organisation's own prices, each from a date on. A price of a deployment counts before them.

CREATE TABLE gateway.prices (
    tenant text NOT NULL,
    id text NOT NULL,
    spec jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

SELECT substrate.protect('gateway.prices');

GRANT SELECT ON gateway.prices TO headgate_app, headgate_admin;
GRANT INSERT, UPDATE, DELETE ON gateway.prices TO headgate_admin;

-- Each worker's part of a window of a key's limit. `gateway.allowances.taken` is the sum of all parts, spent or not.
--
-- spent: settled by the worker so far. held: reserved by its calls in flight. spare: leased to it and not reserved.

CREATE TABLE gateway.allowance_shares (
    tenant text NOT NULL,
    key_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('requests', 'cost')),
    window_start timestamptz NOT NULL,
    worker text NOT NULL,
    spent bigint NOT NULL CHECK (spent >= 0),
    held bigint NOT NULL CHECK (held >= 0),
    spare bigint NOT NULL CHECK (spare >= 0),
    renewed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, key_id, kind, window_start, worker)
);

SELECT substrate.protect('gateway.allowance_shares');

GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.allowance_shares TO headgate_app;

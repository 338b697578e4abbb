-- Changes of the configuration with the entries before and after, so that a person can undo them; and where entries come
-- from. `record` is the record of the change in the ledger.

CREATE TABLE server.config_changes (
    tenant text NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    made_at timestamptz NOT NULL,
    principal text NOT NULL CHECK (length(principal) <= 200),
    way text NOT NULL CHECK (way IN ('file', 'console', 'undo')),
    version text NOT NULL,
    changes jsonb NOT NULL,
    record text,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE server.entry_origins (
    tenant text NOT NULL,
    section text NOT NULL,
    entry text NOT NULL,
    origin text NOT NULL CHECK (origin IN ('file', 'console')),
    PRIMARY KEY (tenant, section, entry)
);

SELECT substrate.protect('server.config_changes');
SELECT substrate.protect('server.entry_origins');

GRANT SELECT ON server.config_changes, server.entry_origins TO headgate_app, headgate_admin;
GRANT INSERT, UPDATE, DELETE ON server.config_changes, server.entry_origins TO headgate_admin;

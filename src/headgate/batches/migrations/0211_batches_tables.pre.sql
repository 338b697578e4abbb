-- Files and batches of programs. All text is sealed under the key of its file or batch, which the row holds in wrapped form:
-- with the row goes the key, and with the key everything that it sealed.

CREATE SCHEMA batches;
GRANT USAGE ON SCHEMA batches TO headgate_app;

CREATE TABLE batches.files (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,        -- the principal that uploaded it
    purpose text NOT NULL,
    key bytea NOT NULL,
    name bytea NOT NULL,
    size_bytes bigint NOT NULL,
    labels text NOT NULL,
    batch text COLLATE "C",                 -- the batch whose results it is; then its text is in the lines of that batch
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX files_by_owner ON batches.files (tenant, owner, id);
CREATE INDEX files_by_end ON batches.files (tenant, expires_at);

CREATE TABLE batches.pieces (
    tenant text COLLATE "C" NOT NULL,
    file text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    body bytea STORAGE EXTERNAL NOT NULL,   -- ciphertext: trying to compress it is wasted
    PRIMARY KEY (tenant, file, number),
    FOREIGN KEY (tenant, file) REFERENCES batches.files (tenant, id) ON DELETE CASCADE
);

CREATE TABLE batches.batches (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    wire text NOT NULL,                     -- the plane of its client
    endpoint text NOT NULL,
    use_case text COLLATE "C" NOT NULL,
    api_key text COLLATE "C" NOT NULL,      -- the id of the key under which its lines run
    input text COLLATE "C" NOT NULL,        -- the file of its lines
    key bytea NOT NULL,
    facts bytea NOT NULL,                   -- its metadata
    floor text NOT NULL,                    -- labels that its maker raised
    labels text NOT NULL,                   -- of its results so far
    state text NOT NULL,
    fault text NOT NULL DEFAULT '',
    total integer NOT NULL DEFAULT 0,
    succeeded integer NOT NULL DEFAULT 0,
    errored integer NOT NULL DEFAULT 0,
    canceled integer NOT NULL DEFAULT 0,
    expired integer NOT NULL DEFAULT 0,
    output text COLLATE "C",                -- the file of its answers
    errors text COLLATE "C",                -- the file of its other lines
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    cancelled_at timestamptz,               -- when its maker asked to cancel it
    ended_at timestamptz,
    expires_at timestamptz NOT NULL,        -- lines that have not run by then do not run
    keeps_until timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX batches_by_owner ON batches.batches (tenant, owner, wire, id);
CREATE INDEX batches_by_end ON batches.batches (tenant, keeps_until);

CREATE TABLE batches.lines (
    tenant text COLLATE "C" NOT NULL,
    batch text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('succeeded', 'errored', 'canceled', 'expired')),
    record text COLLATE "C",
    body bytea STORAGE EXTERNAL NOT NULL,
    size_bytes integer NOT NULL,
    PRIMARY KEY (tenant, batch, number),
    FOREIGN KEY (tenant, batch) REFERENCES batches.batches (tenant, id) ON DELETE CASCADE
);

SELECT substrate.protect('batches.files');
SELECT substrate.protect('batches.pieces');
SELECT substrate.protect('batches.batches');
SELECT substrate.protect('batches.lines');
GRANT SELECT, INSERT, UPDATE, DELETE ON batches.files, batches.pieces, batches.batches, batches.lines TO headgate_app;

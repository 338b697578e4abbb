-- Vector stores of programs: private collections that live here and not in the configuration, and the files of a client's
-- wire that became documents.

CREATE TABLE knowledge.vector_stores (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,        -- the principal that made it, and its only reader
    key bytea NOT NULL,
    facts bytea NOT NULL,                   -- its name, description and metadata, sealed
    floor text NOT NULL,                    -- labels of every document in it, at least
    expires_days integer,                   -- after its last use; null: never
    created_at timestamptz NOT NULL,
    active_at timestamptz NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX vector_stores_by_owner ON knowledge.vector_stores (tenant, owner, id);
CREATE INDEX vector_stores_by_end ON knowledge.vector_stores (tenant, expires_at) WHERE expires_at IS NOT NULL;

-- A document that was added as a file of this wire. Other documents of a collection have no row.
CREATE TABLE knowledge.store_files (
    tenant text COLLATE "C" NOT NULL,
    document text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    file text COLLATE "C" NOT NULL,         -- the id of the uploaded file
    attributes bytea,                       -- sealed under the key of the document
    batch text COLLATE "C",
    is_cancelled boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant, document),
    UNIQUE (tenant, collection, file),
    FOREIGN KEY (tenant, document) REFERENCES knowledge.documents (tenant, id) ON DELETE CASCADE
);
CREATE INDEX store_files_of_batch ON knowledge.store_files (tenant, batch) WHERE batch IS NOT NULL;
CREATE INDEX store_files_of_file ON knowledge.store_files (tenant, file);

CREATE TABLE knowledge.file_batches (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    cancelled_at timestamptz,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX file_batches_of_collection ON knowledge.file_batches (tenant, collection);

SELECT substrate.protect('knowledge.vector_stores');
SELECT substrate.protect('knowledge.store_files');
SELECT substrate.protect('knowledge.file_batches');
GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge.vector_stores, knowledge.store_files, knowledge.file_batches TO headgate_app;

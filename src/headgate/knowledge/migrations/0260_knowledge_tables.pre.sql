-- Collections of documents, their sources, and the index of their passages. Text is sealed under a key of each document.

DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;
    IF (SELECT string_to_array(extversion, '.')::int[] < '{0,8}' FROM pg_catalog.pg_extension WHERE extname = 'vector') THEN
        RAISE EXCEPTION 'The extension vector (pgvector) of this database is older than 0.8.'
            USING HINT = 'Install a newer one on the server, and let a superuser run, once: ALTER EXTENSION vector UPDATE';
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'The extension vector (pgvector) is missing in this database.'
            USING HINT = 'Let a superuser run, once: CREATE EXTENSION vector SCHEMA public';
    WHEN feature_not_supported OR undefined_file THEN
        RAISE EXCEPTION 'The extension vector (pgvector, 0.8 or newer) is not installed on this server.'
            USING HINT = 'Install it there, and let a superuser run, once: CREATE EXTENSION vector SCHEMA public';
END
$$;

CREATE SCHEMA knowledge;
GRANT USAGE ON SCHEMA knowledge TO headgate_app, headgate_admin;

CREATE TABLE knowledge.collections (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    spec jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

CREATE TABLE knowledge.sources (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    spec jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

-- How far the reading of a source is. Without a row it was never read.
CREATE TABLE knowledge.syncs (
    tenant text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    cursor text NOT NULL DEFAULT '',        -- sealed: it may hold names
    round bigint NOT NULL DEFAULT 0,        -- counts complete passes over the source
    begun_at timestamptz,
    ended_at timestamptz,
    due_at timestamptz NOT NULL,
    fault text NOT NULL DEFAULT '',
    found integer NOT NULL DEFAULT 0,       -- of the pass that runs, or of the last one
    changed integer NOT NULL DEFAULT 0,
    removed integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    spec text NOT NULL DEFAULT '',          -- digest of the source's entry as the cursor knows it
    PRIMARY KEY (tenant, source)
);

-- Equal readers and labels in a collection, so that a search filters by few numbers.
CREATE TABLE knowledge.scopes (
    tenant text COLLATE "C" NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    collection text COLLATE "C" NOT NULL,
    readers text[] COLLATE "C" NOT NULL,    -- sorted ids of principals, group:NAME, or * for every reader of the collection
    labels text NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, collection, readers, labels)
);

CREATE TABLE knowledge.documents (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    source text COLLATE "C",                -- null for an upload
    ref bytea NOT NULL,                     -- keyed hash of its name at the source
    key bytea NOT NULL,
    facts bytea NOT NULL,                   -- its name, title, address and authors, sealed
    media_type text NOT NULL,
    size_bytes bigint NOT NULL,
    digest bytea NOT NULL,                  -- keyed hash of its bytes
    readers text[] COLLATE "C" NOT NULL,
    given text NOT NULL,                    -- labels that its source or uploader gives it
    floor text NOT NULL,                    -- those and its collection's
    labels text NOT NULL,                   -- of the whole
    state text NOT NULL CHECK (state IN ('waiting', 'reading', 'ready', 'failed')),
    stage text NOT NULL DEFAULT '',
    fault text NOT NULL DEFAULT '',
    version integer NOT NULL DEFAULT 1,
    pages integer,
    passages integer NOT NULL DEFAULT 0,
    language text NOT NULL DEFAULT '',
    added_by text COLLATE "C" NOT NULL,
    as_of timestamptz NOT NULL,             -- how old its text is
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    seen_round bigint NOT NULL DEFAULT 0,   -- the pass that saw it last at its source
    revision text NOT NULL DEFAULT '',      -- of its text, as its source names it
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX documents_by_ref ON knowledge.documents (tenant, collection, source, ref) NULLS NOT DISTINCT;
CREATE INDEX documents_of_collection ON knowledge.documents (tenant, collection, id);
CREATE INDEX documents_of_source ON knowledge.documents (tenant, source) WHERE source IS NOT NULL;
CREATE INDEX documents_unfinished ON knowledge.documents (tenant, collection, state) WHERE state <> 'ready';

CREATE TABLE knowledge.pieces (
    tenant text COLLATE "C" NOT NULL,
    document text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    body bytea STORAGE EXTERNAL NOT NULL,   -- ciphertext: trying to compress it is wasted
    PRIMARY KEY (tenant, document, number),
    FOREIGN KEY (tenant, document) REFERENCES knowledge.documents (tenant, id) ON DELETE CASCADE
);

-- Ids of passages and segments, in one series.
CREATE SEQUENCE knowledge.passage_ids;
GRANT USAGE ON SEQUENCE knowledge.passage_ids TO headgate_app;

-- The narrow part of a passage, so that a scan of vectors reads few pages. Its scope is here for the meaning leg.
CREATE TABLE knowledge.passages (
    tenant text COLLATE "C" NOT NULL,
    id bigint NOT NULL,
    document text COLLATE "C" NOT NULL,
    number integer NOT NULL,                -- its place in the document, from 0
    scope bigint NOT NULL,
    embedding halfvec(384),                 -- null where the embedder did not answer; it tells something of the text
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, document, number),
    FOREIGN KEY (tenant, document) REFERENCES knowledge.documents (tenant, id) ON DELETE CASCADE
);
CREATE INDEX passages_by_scope ON knowledge.passages (tenant, scope);
CREATE INDEX passages_by_meaning ON knowledge.passages USING hnsw (embedding halfvec_cosine_ops);

CREATE TABLE knowledge.bodies (
    tenant text COLLATE "C" NOT NULL,
    passage bigint NOT NULL,
    body bytea STORAGE EXTERNAL NOT NULL,   -- the text, headings and place of the passage, sealed
    PRIMARY KEY (tenant, passage),
    FOREIGN KEY (tenant, passage) REFERENCES knowledge.passages (tenant, id) ON DELETE CASCADE
);

-- A segment is at most 64 passages of one document in one scope. The postings of a term are packed by segment.
CREATE TABLE knowledge.segments (
    tenant text COLLATE "C" NOT NULL,
    id bigint NOT NULL,                     -- of its first passage
    document text COLLATE "C" NOT NULL,
    scope bigint NOT NULL,
    passages integer NOT NULL,
    words bigint NOT NULL,                  -- the sum of their lengths, for BM25
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, document) REFERENCES knowledge.documents (tenant, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant, scope) REFERENCES knowledge.scopes (tenant, id)
);
CREATE INDEX segments_of_document ON knowledge.segments (tenant, document);
CREATE INDEX segments_by_scope ON knowledge.segments (tenant, scope) INCLUDE (passages, words);

-- Terms are keyed hashes of stems. The primary key has all columns, so that the words need no other page.
CREATE TABLE knowledge.postings (
    tenant text COLLATE "C" NOT NULL,
    term bigint NOT NULL,
    scope bigint NOT NULL,
    segment bigint NOT NULL,
    packed bytea STORAGE PLAIN NOT NULL,    -- per passage: its id, the term's count, the passage's length
    PRIMARY KEY (tenant, term, scope, segment) INCLUDE (packed)
);
CREATE INDEX postings_of_segment ON knowledge.postings (tenant, segment);

-- Instead of a foreign key, whose check of each row takes four times as long as the row.
CREATE FUNCTION knowledge.delete_postings() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM knowledge.postings USING gone WHERE postings.tenant = gone.tenant AND postings.segment = gone.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER delete_postings AFTER DELETE ON knowledge.segments
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION knowledge.delete_postings();

SELECT substrate.protect('knowledge.collections');
SELECT substrate.protect('knowledge.sources');
SELECT substrate.protect('knowledge.syncs');
SELECT substrate.protect('knowledge.scopes');
SELECT substrate.protect('knowledge.documents');
SELECT substrate.protect('knowledge.pieces');
SELECT substrate.protect('knowledge.passages');
SELECT substrate.protect('knowledge.bodies');
SELECT substrate.protect('knowledge.segments');
SELECT substrate.protect('knowledge.postings');
GRANT SELECT ON knowledge.collections, knowledge.sources TO headgate_app, headgate_admin;
GRANT INSERT, UPDATE, DELETE ON knowledge.collections, knowledge.sources TO headgate_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge.syncs, knowledge.scopes, knowledge.documents, knowledge.pieces,
    knowledge.passages, knowledge.bodies, knowledge.segments, knowledge.postings TO headgate_app;

-- Answers that are written while no client waits. The worker that writes one prolongs `alive_until`; after that time the
-- answer has lost its worker. All text is sealed under the answer's key, which its row holds in wrapped form.

CREATE TABLE chat.background_answers (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,    -- the principal that asked
    key bytea NOT NULL,
    body bytea NOT NULL,                -- the answer as it was at its beginning, or at its failure
    state text NOT NULL,                -- queued, in_progress, completed, failed or cancelled
    labels text NOT NULL,
    alive_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX background_answers_by_owner ON chat.background_answers (tenant, owner)
    WHERE state IN ('queued', 'in_progress');
CREATE INDEX background_answers_by_end ON chat.background_answers (tenant, expires_at);

-- The events so far, some of them in each row.
CREATE TABLE chat.background_events (
    tenant text COLLATE "C" NOT NULL,
    answer text COLLATE "C" NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    body bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (tenant, answer, first),
    FOREIGN KEY (tenant, answer) REFERENCES chat.background_answers (tenant, id) ON DELETE CASCADE
);

SELECT substrate.protect('chat.background_answers');
SELECT substrate.protect('chat.background_events');
GRANT SELECT, INSERT, UPDATE, DELETE ON chat.background_answers TO headgate_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON chat.background_events TO headgate_app;

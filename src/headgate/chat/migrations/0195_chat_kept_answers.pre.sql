-- Answers of programs that may be continued by their id. All text is sealed under the answer's key, which its row holds in
-- wrapped form, as that of a conversation.

CREATE TABLE chat.kept_answers (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,        -- the principal that asked
    previous text COLLATE "C",              -- the answer that it continues
    key bytea NOT NULL,
    body bytea STORAGE EXTERNAL NOT NULL,   -- ciphertext: trying to compress it is wasted
    labels text NOT NULL,
    floor text NOT NULL,                    -- the part of the labels that a call that continues it cannot lower
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX kept_answers_by_end ON chat.kept_answers (tenant, expires_at);

SELECT substrate.protect('chat.kept_answers');
GRANT SELECT, INSERT, UPDATE, DELETE ON chat.kept_answers TO headgate_app;

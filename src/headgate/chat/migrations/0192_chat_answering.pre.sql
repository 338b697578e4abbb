-- Answers on their way, with the text so far, so that every worker can show them, and stop them. An answer that is over
-- is a turn.

CREATE TABLE chat.answering (
    tenant text COLLATE "C" NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,           -- of the turn that it becomes
    question text COLLATE "C" NOT NULL,
    body bytea STORAGE EXTERNAL NOT NULL,   -- sealed as the turn's
    record text COLLATE "C",
    labels text NOT NULL,
    is_stopping boolean NOT NULL DEFAULT false,
    begun_at timestamptz NOT NULL,
    written_at timestamptz NOT NULL,        -- old where the worker is gone
    PRIMARY KEY (tenant, conversation, id),
    FOREIGN KEY (tenant, conversation) REFERENCES chat.conversations (tenant, id) ON DELETE CASCADE
);
SELECT substrate.protect('chat.answering');
GRANT SELECT, INSERT, UPDATE, DELETE ON chat.answering TO headgate_app;

-- Conversations of programs: items in order, which calls continue by the conversation's id. All text is sealed under the
-- conversation's key, which its row holds in wrapped form. `holder` is the answer that is on its way; its time is short and
-- renewed, so that a lost worker holds nothing for long.

CREATE TABLE chat.kept_conversations (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,        -- the principal that made it
    key bytea NOT NULL,
    metadata bytea NOT NULL,
    labels text NOT NULL,
    floor text NOT NULL,                    -- the part of the labels that a call that continues it cannot lower
    next bigint NOT NULL DEFAULT 0,         -- the place of the next item
    size_bytes bigint NOT NULL DEFAULT 0,   -- of all items that were ever added
    holder text COLLATE "C",
    held_until timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX kept_conversations_by_end ON chat.kept_conversations (tenant, expires_at);

CREATE TABLE chat.kept_items (
    tenant text COLLATE "C" NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    place bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    body bytea STORAGE EXTERNAL NOT NULL,
    kept_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, conversation, id),
    FOREIGN KEY (tenant, conversation) REFERENCES chat.kept_conversations (tenant, id) ON DELETE CASCADE
);
CREATE INDEX kept_items_in_order ON chat.kept_items (tenant, conversation, place);
CREATE INDEX kept_items_by_time ON chat.kept_items (tenant, kept_at);

-- The ids of the items in answers, for calls that refer to an item.
CREATE TABLE chat.answer_items (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    answer text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, id, answer),
    FOREIGN KEY (tenant, answer) REFERENCES chat.kept_answers (tenant, id) ON DELETE CASCADE
);
CREATE INDEX answer_items_by_answer ON chat.answer_items (tenant, answer);

SELECT substrate.protect('chat.kept_conversations');
SELECT substrate.protect('chat.kept_items');
SELECT substrate.protect('chat.answer_items');
GRANT SELECT, INSERT, UPDATE, DELETE ON chat.kept_conversations TO headgate_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON chat.kept_items TO headgate_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON chat.answer_items TO headgate_app;

-- Conversations of people. All text is sealed under the conversation's key, which its row holds in wrapped form: with the
-- row goes the key, and with the key everything that it sealed.

CREATE SCHEMA chat;
GRANT USAGE ON SCHEMA chat TO headgate_app;

CREATE TABLE chat.conversations (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    person text COLLATE "C" NOT NULL,
    model text NOT NULL,
    use_case text NOT NULL,
    key bytea NOT NULL,
    title bytea NOT NULL,
    system bytea,
    shown text COLLATE "C",        -- the last turn of the branch that its person looked at
    labels text NOT NULL,          -- the join over all turns, as the header x-headgate-labels has them
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX conversations_by_person ON chat.conversations (tenant, person, changed_at DESC, id DESC);

-- A tree: an edited question is a sibling of the question, an answer given anew is a sibling of the answer.
CREATE TABLE chat.turns (
    tenant text COLLATE "C" NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    parent text COLLATE "C",
    role text NOT NULL CHECK (role IN ('user', 'assistant')),
    state text NOT NULL CHECK (state IN ('whole', 'stopped', 'failed')),
    body bytea STORAGE EXTERNAL NOT NULL,   -- ciphertext: trying to compress it is wasted
    record text COLLATE "C",                -- of the model call that gave it
    labels text NOT NULL,
    said_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, conversation, id),
    FOREIGN KEY (tenant, conversation) REFERENCES chat.conversations (tenant, id) ON DELETE CASCADE
);

-- Whom a conversation is shared with. They can only read it.
CREATE TABLE chat.readers (
    tenant text COLLATE "C" NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    reader text COLLATE "C" NOT NULL,
    shared_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, conversation, reader),
    FOREIGN KEY (tenant, conversation) REFERENCES chat.conversations (tenant, id) ON DELETE CASCADE
);
CREATE INDEX readers_by_reader ON chat.readers (tenant, reader, shared_at DESC, conversation DESC);

-- The search index: keyed hashes of the words of each turn and of each title, whose id is the conversation's.
CREATE TABLE chat.entries (
    tenant text COLLATE "C" NOT NULL,
    person text COLLATE "C" NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    words bigint[] NOT NULL,
    PRIMARY KEY (tenant, conversation, id),
    FOREIGN KEY (tenant, conversation) REFERENCES chat.conversations (tenant, id) ON DELETE CASCADE
);
CREATE INDEX entries_by_person ON chat.entries (tenant, person, id DESC);
CREATE INDEX entries_by_words ON chat.entries USING gin (words) WITH (fastupdate = off);

SELECT substrate.protect('chat.conversations');
SELECT substrate.protect('chat.turns');
SELECT substrate.protect('chat.readers');
SELECT substrate.protect('chat.entries');

-- PostgreSQL evaluates the policy of a table before every condition that is not leakproof, and `@>` is not, so a search
-- would read all entries of the person instead of the index. Inside the policy it may use the index. Therefore the search
-- sets app.chat_words for its transaction, and the policy compares them. Without the setting all entries match.
DROP POLICY tenant_only ON chat.entries;
CREATE POLICY tenant_only ON chat.entries
    USING (
        tenant = nullif(current_setting('app.tenant', true), '')
        AND words @> coalesce(nullif(current_setting('app.chat_words', true), ''), '{}')::bigint[]
    )
    WITH CHECK (tenant = nullif(current_setting('app.tenant', true), ''));

GRANT SELECT, INSERT, UPDATE, DELETE ON chat.conversations, chat.turns, chat.readers, chat.entries TO headgate_app;

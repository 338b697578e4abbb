-- Questions that people hand to experts, and what people say about answers. The texts are sealed.

CREATE TABLE knowledge.questions (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    asker text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    text bytea NOT NULL,                    -- the question
    reply bytea,                            -- of the expert
    labels text NOT NULL,                   -- of question and reply
    state text NOT NULL CHECK (state IN ('open', 'answered', 'closed')),
    record text COLLATE "C",                -- of the answer that did not do
    expert text COLLATE "C",                -- who ended it
    document text COLLATE "C",              -- the document that its reply became
    asked_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (tenant, id),
    CHECK ((state = 'open') = (ended_at IS NULL))
);
CREATE INDEX questions_of_collection ON knowledge.questions (tenant, collection, state, id);
CREATE INDEX questions_of_asker ON knowledge.questions (tenant, asker, id);

CREATE TABLE knowledge.ratings (
    tenant text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,       -- of the answer
    rater text COLLATE "C" NOT NULL,
    collections text[] COLLATE "C" NOT NULL,
    is_right boolean NOT NULL,
    rated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, record, rater)
);

SELECT substrate.protect('knowledge.questions');
SELECT substrate.protect('knowledge.ratings');
GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge.questions, knowledge.ratings TO headgate_app;

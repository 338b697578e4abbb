-- Durable runs: work that goes on after the worker that did it is gone. A run in progress has a lease; when the lease ends
-- without renewal, any worker takes the run over. Inputs, progress and results of steps are JSON without content of people:
-- features keep content sealed in their own tables, and runs refer to it.

CREATE SCHEMA durable;
GRANT USAGE ON SCHEMA durable TO headgate_app;

CREATE TABLE durable.runs (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    input jsonb NOT NULL,
    progress jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    is_cancelling boolean NOT NULL DEFAULT false,
    attempts integer NOT NULL DEFAULT 0,            -- since it last ended a part of its work in order
    lease bigint NOT NULL DEFAULT 0,                -- the number of the current lease: a write under an older one is refused
    due_at timestamptz NOT NULL DEFAULT now(),      -- of a running one: the end of its lease
    error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX runs_by_due ON durable.runs (tenant, queue, due_at) WHERE ended_at IS NULL;
CREATE INDEX runs_by_end ON durable.runs (tenant, ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE durable.steps (
    tenant text COLLATE "C" NOT NULL,
    run text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    result jsonb NOT NULL,
    PRIMARY KEY (tenant, run, name),
    FOREIGN KEY (tenant, run) REFERENCES durable.runs (tenant, id) ON DELETE CASCADE
);

SELECT substrate.protect('durable.runs');
SELECT substrate.protect('durable.steps');
GRANT SELECT, INSERT, UPDATE, DELETE ON durable.runs, durable.steps TO headgate_app;

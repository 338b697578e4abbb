-- Where notices go, and the queue of what is to be sent. The queue holds no content: a title, names and a link.

CREATE SCHEMA notices;
GRANT USAGE ON SCHEMA notices TO headgate_app, headgate_admin;

CREATE TABLE notices.destinations (
    tenant text NOT NULL,
    id text NOT NULL,
    spec jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

-- One row for each destination of a notice. The unique key makes a notice that is raised twice one delivery.
CREATE TABLE notices.deliveries (
    tenant text NOT NULL,
    id text NOT NULL,
    destination text NOT NULL,
    event text NOT NULL,
    subject text NOT NULL,
    notice jsonb NOT NULL,
    raised_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('sent', 'given_up')),
    error text NOT NULL DEFAULT '' CHECK (length(error) <= 500),
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, destination, event, subject),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX deliveries_due ON notices.deliveries (tenant, due_at) WHERE ended_at IS NULL;
CREATE INDEX deliveries_ended ON notices.deliveries (tenant, ended_at) WHERE ended_at IS NOT NULL;

SELECT substrate.protect('notices.destinations');
SELECT substrate.protect('notices.deliveries');

GRANT SELECT ON notices.destinations, notices.deliveries TO headgate_app, headgate_admin;
GRANT INSERT, UPDATE, DELETE ON notices.destinations TO headgate_admin;
GRANT INSERT ON notices.deliveries TO headgate_app, headgate_admin;
GRANT UPDATE, DELETE ON notices.deliveries TO headgate_app;

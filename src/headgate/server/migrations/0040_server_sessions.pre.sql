-- Sign-in: links that are redeemed once, and the sessions that they open. Only digests of tokens are kept.

CREATE SCHEMA server;
GRANT USAGE ON SCHEMA server TO headgate_app, headgate_admin;

CREATE TABLE server.sign_ins (
    tenant text NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    principal text NOT NULL CHECK (principal <> '' AND length(principal) <= 200),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, digest)
);

CREATE TABLE server.sessions (
    tenant text NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    principal text NOT NULL CHECK (principal <> '' AND length(principal) <= 200),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, digest)
);

SELECT substrate.protect('server.sign_ins');
SELECT substrate.protect('server.sessions');

-- Workers redeem links and open sessions; the command line makes links.
GRANT SELECT, INSERT, DELETE ON server.sign_ins TO headgate_app, headgate_admin;
GRANT SELECT, INSERT, DELETE ON server.sessions TO headgate_app;

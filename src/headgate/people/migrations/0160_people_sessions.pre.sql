-- Links and sessions move from the schema `server` to that of the feature `people`. Views keep the old names for the
-- workers of the version before, so that both versions see the same sessions during an upgrade.

CREATE SCHEMA people;
GRANT USAGE ON SCHEMA people TO headgate_app, headgate_admin;

ALTER TABLE server.sign_ins SET SCHEMA people;
ALTER TABLE server.sessions SET SCHEMA people;

CREATE VIEW server.sign_ins WITH (security_invoker = true) AS
    SELECT tenant, digest, principal, expires_at FROM people.sign_ins;
CREATE VIEW server.sessions WITH (security_invoker = true) AS
    SELECT tenant, digest, principal, created_at, expires_at FROM people.sessions;
GRANT SELECT, INSERT, DELETE ON server.sign_ins TO headgate_app, headgate_admin;
GRANT SELECT, INSERT, DELETE ON server.sessions TO headgate_app;

-- The people who could have opened the session themselves: the maker of the link, and the makers of that session's link.
-- Empty for a link from the operator's machine.
ALTER TABLE people.sign_ins ADD COLUMN made_by text[] NOT NULL DEFAULT '{}';
ALTER TABLE people.sessions ADD COLUMN let_in_by text[] NOT NULL DEFAULT '{}';
-- The browser as it names itself, and the last request within a few minutes.
ALTER TABLE people.sessions ADD COLUMN agent text NOT NULL DEFAULT '' CHECK (length(agent) <= 300);
ALTER TABLE people.sessions ADD COLUMN seen_at timestamptz;
GRANT UPDATE (seen_at) ON people.sessions TO headgate_app;
CREATE INDEX sessions_of_principal ON people.sessions (tenant, principal);

-- When a person or service was last seen, by session or key, within a few minutes.
CREATE TABLE people.seen (
    tenant text NOT NULL,
    principal text NOT NULL CHECK (principal <> '' AND length(principal) <= 200),
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant, principal),
    FOREIGN KEY (tenant, principal) REFERENCES policy.principals ON DELETE CASCADE
);
SELECT substrate.protect('people.seen');
GRANT SELECT, INSERT, UPDATE ON people.seen TO headgate_app;

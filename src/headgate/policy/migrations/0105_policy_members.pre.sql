-- Who may use a use case: `*` for everyone, ids of people and programs, and `group:NAME` for people's groups. Its owner and
-- administrators may always. Use cases that are there stay open to everyone until somebody names their members; new ones
-- are open to nobody else than their owner and administrators.

ALTER TABLE policy.use_cases ADD COLUMN members text[] NOT NULL DEFAULT '{*}';
ALTER TABLE policy.use_cases ALTER COLUMN members SET DEFAULT '{}';

ALTER TABLE policy.principals ADD COLUMN groups text[] NOT NULL DEFAULT '{}';
-- Who answers for a program: whoever made its first key. Empty for people, and where nobody is known.
ALTER TABLE policy.principals ADD COLUMN owner text NOT NULL DEFAULT '' CHECK (length(owner) <= 200);

CREATE OR REPLACE FUNCTION policy.furnish_tenant() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $$
DECLARE
    before text := current_setting('app.tenant', true);
BEGIN
    PERFORM set_config('app.tenant', NEW.id, true);
    INSERT INTO policy.principals (tenant, id, kind, name, roles, source)
        VALUES (NEW.id, 'headgate', 'service', 'Headgate', '{job}', 'built_in');
    INSERT INTO policy.use_cases (tenant, id, owner, purpose, risk, source, members) VALUES
        (NEW.id, 'getting-started', 'headgate', 'Try Headgate out with models on our own machines', 'minimal', 'built_in',
            '{*}'),
        (NEW.id, 'administration', 'headgate', 'Administer Headgate', 'high', 'built_in', '{*}'),
        (NEW.id, 'jobs', 'headgate', 'Background work of Headgate itself', 'minimal', 'built_in', '{*}');
    PERFORM set_config('app.tenant', coalesce(before, ''), true);
    RETURN NULL;
END
$$;

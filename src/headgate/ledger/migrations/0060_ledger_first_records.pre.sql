-- Lists of what came in leave attempts out, and attempts have verbs and resources of their own: asked for those of an
-- attempt, such a list read all of them to find none. Takes about a second for a million records; meanwhile
-- records wait in the journals.
SET LOCAL statement_timeout = 0;
CREATE INDEX records_first_by_verb ON ledger.records (tenant, verb, id) WHERE parent IS NULL;
CREATE INDEX records_first_by_resource ON ledger.records (tenant, resource, id) WHERE parent IS NULL;

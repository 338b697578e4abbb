-- An outcome of its own for what was done and may not be released. NOT VALID: what is there holds under the old list, which
-- the new one contains.

ALTER TABLE ledger.records DROP CONSTRAINT records_outcome_check;
ALTER TABLE ledger.records ADD CONSTRAINT records_outcome_check
    CHECK (outcome IN ('done', 'refused', 'withheld', 'failed', 'interrupted', 'abandoned', 'in_doubt')) NOT VALID;

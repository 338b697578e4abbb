-- Windows of budgets, besides those of keys: of tokens and calls in flight too, with an end of their own, and with a count
-- of refused calls. `key_id` is the id of a key, or the subject of a budget, which has a colon. Rows without an end are of
-- workers of an earlier version. NOT VALID: what is there holds under the old lists, which the new ones contain.

ALTER TABLE gateway.allowances DROP CONSTRAINT allowances_kind_check;
ALTER TABLE gateway.allowances ADD CONSTRAINT allowances_kind_check
    CHECK (kind IN ('requests', 'cost', 'tokens', 'concurrency')) NOT VALID;
ALTER TABLE gateway.allowances ADD COLUMN window_end timestamptz;

ALTER TABLE gateway.allowance_shares DROP CONSTRAINT allowance_shares_kind_check;
ALTER TABLE gateway.allowance_shares ADD CONSTRAINT allowance_shares_kind_check
    CHECK (kind IN ('requests', 'cost', 'tokens', 'concurrency')) NOT VALID;
ALTER TABLE gateway.allowance_shares ADD COLUMN window_end timestamptz;
ALTER TABLE gateway.allowance_shares ADD COLUMN refused bigint NOT NULL DEFAULT 0;

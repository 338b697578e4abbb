-- What whoever decides about an approval looks at, and why they decided as they did. No content is kept here: what would
-- be sent is sealed with the record of the action that was asked about.

ALTER TABLE policy.approvals
    ADD COLUMN record text NOT NULL DEFAULT '',
    ADD COLUMN details text[] NOT NULL DEFAULT '{}',
    ADD COLUMN reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 1000);
GRANT UPDATE (reason) ON policy.approvals TO headgate_admin;

-- The few that wait, for the list that opens first and for the bound on how many one principal may have waiting.
CREATE INDEX approvals_waiting ON policy.approvals (tenant, id) WHERE decided_at IS NULL;
CREATE INDEX approvals_waiting_of_principal ON policy.approvals (tenant, principal, expires_at) WHERE decided_at IS NULL;

-- Requesters list their own requests, newest first.
CREATE INDEX approvals_of_principal ON policy.approvals (tenant, principal, id);

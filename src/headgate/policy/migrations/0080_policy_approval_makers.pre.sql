-- Who made the key by which an approval was asked for, and so may hold it: none of them decides about it.

ALTER TABLE policy.approvals ADD COLUMN makers text[] NOT NULL DEFAULT '{}';
GRANT UPDATE (makers) ON policy.approvals TO headgate_app;

-- Whether a run only waits for something outside. It then leaves its place in the queue to others.

ALTER TABLE durable.runs ADD COLUMN is_parked boolean NOT NULL DEFAULT false;

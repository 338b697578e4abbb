-- How many lines of a batch went to a provider's own batch, and the faults of a file that was refused as a whole.

ALTER TABLE batches.batches
    ADD COLUMN handed integer NOT NULL DEFAULT 0,
    ADD COLUMN faults bytea;                -- sealed

-- The register of use cases: a title for people, a status, and the day of the next review.

ALTER TABLE policy.use_cases
    ADD COLUMN title text NOT NULL DEFAULT '' CHECK (length(title) <= 200),
    ADD COLUMN status text NOT NULL DEFAULT 'live' CHECK (status IN ('draft', 'live', 'paused', 'retired')),
    ADD COLUMN review_on date CHECK (review_on BETWEEN '1970-01-01' AND '3000-01-01');

-- Rollups of usage, counted from the records in the order of their log.
--
-- An edition is one complete count of a tenant's log, with the place up to which it has counted. Readers use the current
-- edition. A rebuild counts a new edition beside it, and swaps them when the new one has caught up.
--
-- A series is a combination of dimensions. Series of the facet `each` have all dimensions. The other facets have one
-- dimension or none, so that most questions read few rows. A cell has the sums of one series in one span of time.

CREATE SCHEMA finops;
GRANT USAGE ON SCHEMA finops TO headgate_app, headgate_admin;

CREATE TABLE finops.editions (
    tenant text COLLATE "C" NOT NULL,
    edition bigint GENERATED ALWAYS AS IDENTITY,
    state text COLLATE "C" NOT NULL CHECK (state IN ('current', 'building', 'old')),
    cursor text COLLATE "C",  -- of the feed of records; null before the first
    PRIMARY KEY (tenant, edition)
);
CREATE UNIQUE INDEX editions_one_of_a_state ON finops.editions (tenant, state) WHERE state <> 'old';

CREATE TABLE finops.series (
    tenant text COLLATE "C" NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    edition bigint NOT NULL,
    facet text COLLATE "C" NOT NULL
        CHECK (facet IN ('each', 'all', 'use_case', 'person', 'key', 'model', 'deployment')),
    verb text COLLATE "C" NOT NULL,
    use_case text COLLATE "C" NOT NULL,
    person text COLLATE "C" NOT NULL,      -- a pseudonym
    key text COLLATE "C" NOT NULL,         -- empty for a session
    model text COLLATE "C" NOT NULL,
    deployment text COLLATE "C" NOT NULL,  -- empty where nothing answered
    outcome text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,    -- empty where there is no cost
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, edition, facet, use_case, person, key, model, deployment, outcome, currency, verb)
);

-- `at` is the start of the minute, hour or day in UTC. Costs are micro-units of the series' currency.
CREATE TABLE finops.cells (
    tenant text COLLATE "C" NOT NULL,
    grain text COLLATE "C" NOT NULL,
    series bigint NOT NULL,
    at timestamptz NOT NULL,
    calls bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    cost_micros bigint NOT NULL,
    unpriced bigint NOT NULL,  -- calls with an unknown cost
    masked bigint NOT NULL,    -- values masked in the content of calls
    PRIMARY KEY (tenant, grain, series, at)
) PARTITION BY LIST (grain);
CREATE TABLE finops.cells_of_minutes PARTITION OF finops.cells FOR VALUES IN ('minute') WITH (fillfactor = 80);
CREATE TABLE finops.cells_of_hours PARTITION OF finops.cells FOR VALUES IN ('hour') WITH (fillfactor = 80);
CREATE TABLE finops.cells_of_days PARTITION OF finops.cells FOR VALUES IN ('day') WITH (fillfactor = 80);

-- Amounts of units that have no column above, such as the pages of a search.
CREATE TABLE finops.amounts (
    tenant text COLLATE "C" NOT NULL,
    grain text COLLATE "C" NOT NULL CHECK (grain IN ('minute', 'hour', 'day')),
    series bigint NOT NULL,
    unit text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (tenant, grain, series, unit, at)
);

-- Durations as histograms: how many calls took a time in a slot. Slots are log-spaced, 20 to a decade.
CREATE TABLE finops.durations (
    tenant text COLLATE "C" NOT NULL,
    edition bigint NOT NULL,
    grain text COLLATE "C" NOT NULL CHECK (grain IN ('minute', 'hour', 'day')),
    facet text COLLATE "C" NOT NULL CHECK (facet IN ('all', 'use_case', 'model', 'deployment')),
    value text COLLATE "C" NOT NULL,
    measure text COLLATE "C" NOT NULL CHECK (measure IN ('whole', 'first')),
    at timestamptz NOT NULL,
    slot smallint NOT NULL,
    calls bigint NOT NULL,
    PRIMARY KEY (tenant, edition, grain, facet, value, measure, at, slot)
);

-- Records in which a rule matched, of every verb.
CREATE TABLE finops.rule_hits (
    tenant text COLLATE "C" NOT NULL,
    edition bigint NOT NULL,
    grain text COLLATE "C" NOT NULL CHECK (grain IN ('minute', 'hour', 'day')),
    at timestamptz NOT NULL,
    use_case text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL,
    does text COLLATE "C" NOT NULL,
    mode text COLLATE "C" NOT NULL,
    hits bigint NOT NULL,
    PRIMARY KEY (tenant, edition, grain, at, use_case, rule, does, mode)
);

-- Why calls did not end well: the rule that refused, or the code of the error.
CREATE TABLE finops.reasons (
    tenant text COLLATE "C" NOT NULL,
    edition bigint NOT NULL,
    grain text COLLATE "C" NOT NULL CHECK (grain IN ('minute', 'hour', 'day')),
    at timestamptz NOT NULL,
    use_case text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    error text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL,
    calls bigint NOT NULL,
    PRIMARY KEY (tenant, edition, grain, at, use_case, model, outcome, error, rule)
);

-- The last known words of a rule, which may have been removed since.
CREATE TABLE finops.rule_words (
    tenant text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL,
    words text NOT NULL,
    PRIMARY KEY (tenant, rule)
);

SELECT substrate.protect('finops.editions');
SELECT substrate.protect('finops.series');
SELECT substrate.protect('finops.cells');
SELECT substrate.protect('finops.amounts');
SELECT substrate.protect('finops.durations');
SELECT substrate.protect('finops.rule_hits');
SELECT substrate.protect('finops.reasons');
SELECT substrate.protect('finops.rule_words');

GRANT SELECT, INSERT, UPDATE, DELETE
    ON finops.editions, finops.series, finops.cells, finops.amounts, finops.durations, finops.rule_hits, finops.reasons,
    finops.rule_words
    TO headgate_app;
GRANT SELECT, INSERT ON finops.editions TO headgate_admin;

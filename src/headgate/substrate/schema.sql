-- Made from the migrations by `make schema`; change those, never this. Nothing reads it but people and one test.

CREATE SCHEMA batches;

CREATE SCHEMA chat;

CREATE SCHEMA durable;

CREATE SCHEMA finops;

CREATE SCHEMA gateway;

CREATE SCHEMA knowledge;

CREATE SCHEMA ledger;

CREATE SCHEMA notices;

CREATE SCHEMA people;

CREATE SCHEMA policy;

CREATE SCHEMA server;

CREATE SCHEMA substrate;

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';

CREATE FUNCTION knowledge.delete_postings() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    DELETE FROM knowledge.postings USING gone WHERE postings.tenant = gone.tenant AND postings.segment = gone.id;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger.forget(of_tenant text, of_principal text, of_records text[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
    deleted bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger.parts'));
    INSERT INTO ledger.forgotten (tenant, record, principal, forgotten_at)
    SELECT of_tenant, one, of_principal, now() FROM unnest(of_records) AS one
    ON CONFLICT DO NOTHING;
    WITH own AS (
        SELECT id FROM ledger.records
        WHERE tenant = of_tenant AND principal = of_principal AND id = ANY (of_records)
        UNION
        SELECT id FROM ledger.records
        WHERE tenant = of_tenant AND principal = of_principal AND root = ANY (of_records)
    ),
    gone AS (
        DELETE FROM ledger.parts p USING own WHERE p.tenant = of_tenant AND p.record = own.id RETURNING p.record
    )
    SELECT count(*) INTO deleted FROM gone;
    RETURN deleted;
END
$$;

CREATE FUNCTION ledger.prepare_months() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    SET lock_timeout TO '2s'
    AS $$
DECLARE
    parent text;
    part text;
    first timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger.prepare_months'));
    FOR first IN
        SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead)) AT TIME ZONE 'UTC'
        FROM generate_series(0, 2) AS ahead
    LOOP
        FOREACH parent IN ARRAY ARRAY['records', 'marks', 'parts'] LOOP
            part := format('%s_%s', parent, to_char(first AT TIME ZONE 'UTC', 'YYYY_MM'));
            CONTINUE WHEN to_regclass(format('ledger.%I', part)) IS NOT NULL;
            BEGIN
                EXECUTE format(
                    'CREATE TABLE ledger.%I PARTITION OF ledger.%I FOR VALUES FROM (%L) TO (%L)',
                    part, parent, ledger.ulid_floor(first),
                    ledger.ulid_floor((first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC')
                );
            EXCEPTION WHEN check_violation THEN
                RAISE NOTICE 'the default partition of ledger.% holds records of %', parent, part;
            END;
        END LOOP;
    END LOOP;
END
$$;

CREATE FUNCTION ledger.ulid_floor(moment timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog'
    AS $$
    SELECT string_agg(
        substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', ((floor(extract(epoch FROM moment) * 1000)::bigint >> shift) & 31)::int + 1, 1),
        '' ORDER BY shift DESC
    )
    FROM generate_series(0, 45, 5) AS shift
$$;

CREATE FUNCTION policy.count_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
    UPDATE policy.versions SET version = version + 1;
    PERFORM pg_notify('headgate_config', '');
    RETURN NULL;
END
$$;

CREATE FUNCTION policy.furnish_tenant() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
    before text := current_setting('app.tenant', true);
BEGIN
    PERFORM set_config('app.tenant', NEW.id, true);
    INSERT INTO policy.principals (tenant, id, kind, name, roles, source)
        VALUES (NEW.id, 'headgate', 'service', 'Headgate', '{job}', 'built_in');
    INSERT INTO policy.use_cases (tenant, id, owner, purpose, risk, source, members) VALUES
        (NEW.id, 'getting-started', 'headgate', 'Try Headgate out with models on our own machines', 'minimal', 'built_in',
            '{*}'),
        (NEW.id, 'administration', 'headgate', 'Administer Headgate', 'high', 'built_in', '{*}'),
        (NEW.id, 'jobs', 'headgate', 'Background work of Headgate itself', 'minimal', 'built_in', '{*}');
    PERFORM set_config('app.tenant', coalesce(before, ''), true);
    RETURN NULL;
END
$$;

CREATE FUNCTION substrate.protect(target regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = target AND attname = 'tenant' AND atttypid = 'text'::regtype AND attnotnull AND NOT attisdropped
    ) THEN
        RAISE EXCEPTION 'table % has no column "tenant text NOT NULL"', target;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', target);
    -- NULL, and so no, where the setting was never set or is empty; a row of the tenant '' belongs to nobody.
    EXECUTE format(
        'CREATE POLICY tenant_only ON %s '
        'USING (tenant = nullif(current_setting(''app.tenant'', true), '''')) '
        'WITH CHECK (tenant = nullif(current_setting(''app.tenant'', true), ''''))',
        target
    );
END
$$;

COMMENT ON FUNCTION substrate.protect(target regclass) IS 'Makes a table show and take only rows of the tenant in app.tenant.';

CREATE TABLE batches.batches (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    wire text NOT NULL,
    endpoint text NOT NULL,
    use_case text NOT NULL COLLATE pg_catalog."C",
    api_key text NOT NULL COLLATE pg_catalog."C",
    input text NOT NULL COLLATE pg_catalog."C",
    key bytea NOT NULL,
    facts bytea NOT NULL,
    floor text NOT NULL,
    labels text NOT NULL,
    state text NOT NULL,
    fault text DEFAULT ''::text NOT NULL,
    total integer DEFAULT 0 NOT NULL,
    succeeded integer DEFAULT 0 NOT NULL,
    errored integer DEFAULT 0 NOT NULL,
    canceled integer DEFAULT 0 NOT NULL,
    expired integer DEFAULT 0 NOT NULL,
    output text COLLATE pg_catalog."C",
    errors text COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    cancelled_at timestamp with time zone,
    ended_at timestamp with time zone,
    expires_at timestamp with time zone NOT NULL,
    keeps_until timestamp with time zone NOT NULL,
    handed integer DEFAULT 0 NOT NULL,
    faults bytea
);

ALTER TABLE ONLY batches.batches FORCE ROW LEVEL SECURITY;

CREATE TABLE batches.files (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    purpose text NOT NULL,
    key bytea NOT NULL,
    name bytea NOT NULL,
    size_bytes bigint NOT NULL,
    labels text NOT NULL,
    batch text COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY batches.files FORCE ROW LEVEL SECURITY;

CREATE TABLE batches.lines (
    tenant text NOT NULL COLLATE pg_catalog."C",
    batch text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    outcome text NOT NULL,
    record text COLLATE pg_catalog."C",
    body bytea NOT NULL,
    size_bytes integer NOT NULL,
    CONSTRAINT lines_outcome_check CHECK ((outcome = ANY (ARRAY['succeeded'::text, 'errored'::text, 'canceled'::text, 'expired'::text])))
);
ALTER TABLE ONLY batches.lines ALTER COLUMN body SET STORAGE EXTERNAL;

ALTER TABLE ONLY batches.lines FORCE ROW LEVEL SECURITY;

CREATE TABLE batches.pieces (
    tenant text NOT NULL COLLATE pg_catalog."C",
    file text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY batches.pieces ALTER COLUMN body SET STORAGE EXTERNAL;

ALTER TABLE ONLY batches.pieces FORCE ROW LEVEL SECURITY;

CREATE TABLE chat.answer_items (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    answer text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE ONLY chat.answer_items FORCE ROW LEVEL SECURITY;

CREATE TABLE chat.answering (
    tenant text NOT NULL COLLATE pg_catalog."C",
    conversation text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    question text NOT NULL COLLATE pg_catalog."C",
    body bytea NOT NULL,
    record text COLLATE pg_catalog."C",
    labels text NOT NULL,
    is_stopping boolean DEFAULT false NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    written_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY chat.answering ALTER COLUMN body SET STORAGE EXTERNAL;

ALTER TABLE ONLY chat.answering FORCE ROW LEVEL SECURITY;

CREATE TABLE chat.background_answers (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    key bytea NOT NULL,
    body bytea NOT NULL,
    state text NOT NULL,
    labels text NOT NULL,
    alive_until timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY chat.background_answers FORCE ROW LEVEL SECURITY;

CREATE TABLE chat.background_events (
    tenant text NOT NULL COLLATE pg_catalog."C",
    answer text NOT NULL COLLATE pg_catalog."C",
    first bigint NOT NULL,
    last bigint NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY chat.background_events ALTER COLUMN body SET STORAGE EXTERNAL;

ALTER TABLE ONLY chat.background_events FORCE ROW LEVEL SECURITY;

CREATE TABLE chat.conversations (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    person text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL,
    use_case text NOT NULL,
    key bytea NOT NULL,
    title bytea NOT NULL,
    system bytea,
    shown text COLLATE pg_catalog."C",
    labels text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY chat.conversations FORCE ROW LEVEL SECURITY;

CREATE TABLE chat.entries (
    tenant text NOT NULL COLLATE pg_catalog."C",
    person text NOT NULL COLLATE pg_catalog."C",
    conversation text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    words bigint[] NOT NULL
);

ALTER TABLE ONLY chat.entries FORCE ROW LEVEL SECURITY;

CREATE TABLE chat.kept_answers (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    previous text COLLATE pg_catalog."C",
    key bytea NOT NULL,
    body bytea NOT NULL,
    labels text NOT NULL,
    floor text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    kept_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY chat.kept_answers ALTER COLUMN body SET STORAGE EXTERNAL;

ALTER TABLE ONLY chat.kept_answers FORCE ROW LEVEL SECURITY;

CREATE TABLE chat.kept_conversations (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    key bytea NOT NULL,
    metadata bytea NOT NULL,
    labels text NOT NULL,
    floor text NOT NULL,
    next bigint DEFAULT 0 NOT NULL,
    size_bytes bigint DEFAULT 0 NOT NULL,
    holder text COLLATE pg_catalog."C",
    held_until timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY chat.kept_conversations FORCE ROW LEVEL SECURITY;

CREATE TABLE chat.kept_items (
    tenant text NOT NULL COLLATE pg_catalog."C",
    conversation text NOT NULL COLLATE pg_catalog."C",
    place bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    body bytea NOT NULL,
    kept_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY chat.kept_items ALTER COLUMN body SET STORAGE EXTERNAL;

ALTER TABLE ONLY chat.kept_items FORCE ROW LEVEL SECURITY;

CREATE TABLE chat.readers (
    tenant text NOT NULL COLLATE pg_catalog."C",
    conversation text NOT NULL COLLATE pg_catalog."C",
    reader text NOT NULL COLLATE pg_catalog."C",
    shared_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY chat.readers FORCE ROW LEVEL SECURITY;

CREATE TABLE chat.turns (
    tenant text NOT NULL COLLATE pg_catalog."C",
    conversation text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    parent text COLLATE pg_catalog."C",
    role text NOT NULL,
    state text NOT NULL,
    body bytea NOT NULL,
    record text COLLATE pg_catalog."C",
    labels text NOT NULL,
    said_at timestamp with time zone NOT NULL,
    CONSTRAINT turns_role_check CHECK ((role = ANY (ARRAY['user'::text, 'assistant'::text]))),
    CONSTRAINT turns_state_check CHECK ((state = ANY (ARRAY['whole'::text, 'stopped'::text, 'failed'::text])))
);
ALTER TABLE ONLY chat.turns ALTER COLUMN body SET STORAGE EXTERNAL;

ALTER TABLE ONLY chat.turns FORCE ROW LEVEL SECURITY;

CREATE TABLE durable.runs (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    queue text NOT NULL COLLATE pg_catalog."C",
    input jsonb NOT NULL,
    progress jsonb DEFAULT '{}'::jsonb NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    is_cancelling boolean DEFAULT false NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    lease bigint DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    is_parked boolean DEFAULT false NOT NULL,
    CONSTRAINT runs_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'done'::text, 'failed'::text, 'cancelled'::text])))
);

ALTER TABLE ONLY durable.runs FORCE ROW LEVEL SECURITY;

CREATE TABLE durable.steps (
    tenant text NOT NULL COLLATE pg_catalog."C",
    run text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    result jsonb NOT NULL
);

ALTER TABLE ONLY durable.steps FORCE ROW LEVEL SECURITY;

CREATE TABLE finops.amounts (
    tenant text NOT NULL COLLATE pg_catalog."C",
    grain text NOT NULL COLLATE pg_catalog."C",
    series bigint NOT NULL,
    unit text NOT NULL COLLATE pg_catalog."C",
    at timestamp with time zone NOT NULL,
    amount numeric NOT NULL,
    CONSTRAINT amounts_grain_check CHECK ((grain = ANY (ARRAY['minute'::text, 'hour'::text, 'day'::text])))
);

ALTER TABLE ONLY finops.amounts FORCE ROW LEVEL SECURITY;

CREATE TABLE finops.budget_alerts (
    tenant text NOT NULL,
    budget text NOT NULL,
    subject text NOT NULL,
    period_start timestamp with time zone NOT NULL,
    threshold integer NOT NULL,
    raised_at timestamp with time zone NOT NULL,
    CONSTRAINT budget_alerts_threshold_check CHECK (((threshold >= 1) AND (threshold <= 1000)))
);

ALTER TABLE ONLY finops.budget_alerts FORCE ROW LEVEL SECURITY;

CREATE TABLE finops.budgets (
    tenant text NOT NULL,
    id text NOT NULL,
    spec jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY finops.budgets FORCE ROW LEVEL SECURITY;

CREATE TABLE finops.cells (
    tenant text NOT NULL COLLATE pg_catalog."C",
    grain text NOT NULL COLLATE pg_catalog."C",
    series bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    calls bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    cost_micros bigint NOT NULL,
    unpriced bigint NOT NULL,
    masked bigint NOT NULL
)
PARTITION BY LIST (grain);

ALTER TABLE ONLY finops.cells FORCE ROW LEVEL SECURITY;

CREATE TABLE finops.cells_of_days (
    tenant text CONSTRAINT cells_tenant_not_null NOT NULL COLLATE pg_catalog."C",
    grain text CONSTRAINT cells_grain_not_null NOT NULL COLLATE pg_catalog."C",
    series bigint CONSTRAINT cells_series_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT cells_at_not_null NOT NULL,
    calls bigint CONSTRAINT cells_calls_not_null NOT NULL,
    input_tokens bigint CONSTRAINT cells_input_tokens_not_null NOT NULL,
    output_tokens bigint CONSTRAINT cells_output_tokens_not_null NOT NULL,
    cached_tokens bigint CONSTRAINT cells_cached_tokens_not_null NOT NULL,
    cost_micros bigint CONSTRAINT cells_cost_micros_not_null NOT NULL,
    unpriced bigint CONSTRAINT cells_unpriced_not_null NOT NULL,
    masked bigint CONSTRAINT cells_masked_not_null NOT NULL
)
WITH (fillfactor='80');

CREATE TABLE finops.cells_of_hours (
    tenant text CONSTRAINT cells_tenant_not_null NOT NULL COLLATE pg_catalog."C",
    grain text CONSTRAINT cells_grain_not_null NOT NULL COLLATE pg_catalog."C",
    series bigint CONSTRAINT cells_series_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT cells_at_not_null NOT NULL,
    calls bigint CONSTRAINT cells_calls_not_null NOT NULL,
    input_tokens bigint CONSTRAINT cells_input_tokens_not_null NOT NULL,
    output_tokens bigint CONSTRAINT cells_output_tokens_not_null NOT NULL,
    cached_tokens bigint CONSTRAINT cells_cached_tokens_not_null NOT NULL,
    cost_micros bigint CONSTRAINT cells_cost_micros_not_null NOT NULL,
    unpriced bigint CONSTRAINT cells_unpriced_not_null NOT NULL,
    masked bigint CONSTRAINT cells_masked_not_null NOT NULL
)
WITH (fillfactor='80');

CREATE TABLE finops.cells_of_minutes (
    tenant text CONSTRAINT cells_tenant_not_null NOT NULL COLLATE pg_catalog."C",
    grain text CONSTRAINT cells_grain_not_null NOT NULL COLLATE pg_catalog."C",
    series bigint CONSTRAINT cells_series_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT cells_at_not_null NOT NULL,
    calls bigint CONSTRAINT cells_calls_not_null NOT NULL,
    input_tokens bigint CONSTRAINT cells_input_tokens_not_null NOT NULL,
    output_tokens bigint CONSTRAINT cells_output_tokens_not_null NOT NULL,
    cached_tokens bigint CONSTRAINT cells_cached_tokens_not_null NOT NULL,
    cost_micros bigint CONSTRAINT cells_cost_micros_not_null NOT NULL,
    unpriced bigint CONSTRAINT cells_unpriced_not_null NOT NULL,
    masked bigint CONSTRAINT cells_masked_not_null NOT NULL
)
WITH (fillfactor='80');

CREATE TABLE finops.durations (
    tenant text NOT NULL COLLATE pg_catalog."C",
    edition bigint NOT NULL,
    grain text NOT NULL COLLATE pg_catalog."C",
    facet text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C",
    measure text NOT NULL COLLATE pg_catalog."C",
    at timestamp with time zone NOT NULL,
    slot smallint NOT NULL,
    calls bigint NOT NULL,
    CONSTRAINT durations_facet_check CHECK ((facet = ANY (ARRAY['all'::text, 'use_case'::text, 'model'::text, 'deployment'::text]))),
    CONSTRAINT durations_grain_check CHECK ((grain = ANY (ARRAY['minute'::text, 'hour'::text, 'day'::text]))),
    CONSTRAINT durations_measure_check CHECK ((measure = ANY (ARRAY['whole'::text, 'first'::text])))
);

ALTER TABLE ONLY finops.durations FORCE ROW LEVEL SECURITY;

CREATE TABLE finops.editions (
    tenant text NOT NULL COLLATE pg_catalog."C",
    edition bigint NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    cursor text COLLATE pg_catalog."C",
    CONSTRAINT editions_state_check CHECK ((state = ANY (ARRAY['current'::text, 'building'::text, 'old'::text])))
);

ALTER TABLE ONLY finops.editions FORCE ROW LEVEL SECURITY;

ALTER TABLE finops.editions ALTER COLUMN edition ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME finops.editions_edition_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE finops.reasons (
    tenant text NOT NULL COLLATE pg_catalog."C",
    edition bigint NOT NULL,
    grain text NOT NULL COLLATE pg_catalog."C",
    at timestamp with time zone NOT NULL,
    use_case text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL COLLATE pg_catalog."C",
    outcome text NOT NULL COLLATE pg_catalog."C",
    error text NOT NULL COLLATE pg_catalog."C",
    rule text NOT NULL COLLATE pg_catalog."C",
    calls bigint NOT NULL,
    CONSTRAINT reasons_grain_check CHECK ((grain = ANY (ARRAY['minute'::text, 'hour'::text, 'day'::text])))
);

ALTER TABLE ONLY finops.reasons FORCE ROW LEVEL SECURITY;

CREATE TABLE finops.rule_hits (
    tenant text NOT NULL COLLATE pg_catalog."C",
    edition bigint NOT NULL,
    grain text NOT NULL COLLATE pg_catalog."C",
    at timestamp with time zone NOT NULL,
    use_case text NOT NULL COLLATE pg_catalog."C",
    rule text NOT NULL COLLATE pg_catalog."C",
    does text NOT NULL COLLATE pg_catalog."C",
    mode text NOT NULL COLLATE pg_catalog."C",
    hits bigint NOT NULL,
    CONSTRAINT rule_hits_grain_check CHECK ((grain = ANY (ARRAY['minute'::text, 'hour'::text, 'day'::text])))
);

ALTER TABLE ONLY finops.rule_hits FORCE ROW LEVEL SECURITY;

CREATE TABLE finops.rule_words (
    tenant text NOT NULL COLLATE pg_catalog."C",
    rule text NOT NULL COLLATE pg_catalog."C",
    words text NOT NULL
);

ALTER TABLE ONLY finops.rule_words FORCE ROW LEVEL SECURITY;

CREATE TABLE finops.series (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id bigint NOT NULL,
    edition bigint NOT NULL,
    facet text NOT NULL COLLATE pg_catalog."C",
    verb text NOT NULL COLLATE pg_catalog."C",
    use_case text NOT NULL COLLATE pg_catalog."C",
    person text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL COLLATE pg_catalog."C",
    deployment text NOT NULL COLLATE pg_catalog."C",
    outcome text NOT NULL COLLATE pg_catalog."C",
    currency text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT series_facet_check CHECK ((facet = ANY (ARRAY['each'::text, 'all'::text, 'use_case'::text, 'person'::text, 'key'::text, 'model'::text, 'deployment'::text])))
);

ALTER TABLE ONLY finops.series FORCE ROW LEVEL SECURITY;

ALTER TABLE finops.series ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME finops.series_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE gateway.aliases (
    tenant text NOT NULL,
    id text NOT NULL,
    spec jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY gateway.aliases FORCE ROW LEVEL SECURITY;

CREATE TABLE gateway.allowance_shares (
    tenant text NOT NULL,
    key_id text NOT NULL,
    kind text NOT NULL,
    window_start timestamp with time zone NOT NULL,
    worker text NOT NULL,
    spent bigint NOT NULL,
    held bigint NOT NULL,
    spare bigint NOT NULL,
    renewed_at timestamp with time zone DEFAULT now() NOT NULL,
    window_end timestamp with time zone,
    refused bigint DEFAULT 0 NOT NULL,
    CONSTRAINT allowance_shares_held_check CHECK ((held >= 0)),
    CONSTRAINT allowance_shares_spare_check CHECK ((spare >= 0)),
    CONSTRAINT allowance_shares_spent_check CHECK ((spent >= 0))
);

ALTER TABLE ONLY gateway.allowance_shares FORCE ROW LEVEL SECURITY;

CREATE TABLE gateway.allowances (
    tenant text NOT NULL,
    key_id text NOT NULL,
    kind text NOT NULL,
    window_start timestamp with time zone NOT NULL,
    taken bigint NOT NULL,
    window_end timestamp with time zone,
    CONSTRAINT allowances_taken_check CHECK ((taken >= 0))
);

ALTER TABLE ONLY gateway.allowances FORCE ROW LEVEL SECURITY;

CREATE TABLE gateway.deployments (
    tenant text NOT NULL,
    id text NOT NULL,
    spec jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY gateway.deployments FORCE ROW LEVEL SECURITY;

CREATE TABLE gateway.networks (
    tenant text NOT NULL,
    id text NOT NULL,
    spec jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY gateway.networks FORCE ROW LEVEL SECURITY;

CREATE TABLE gateway.prices (
    tenant text NOT NULL,
    id text NOT NULL,
    spec jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY gateway.prices FORCE ROW LEVEL SECURITY;

CREATE TABLE gateway.sightings (
    tenant text NOT NULL,
    deployment text NOT NULL,
    configuration text NOT NULL,
    answered_at timestamp with time zone,
    failed_at timestamp with time zone,
    rests_until timestamp with time zone,
    why text DEFAULT ''::text NOT NULL,
    advice text DEFAULT ''::text NOT NULL,
    unhealthy_since timestamp with time zone,
    CONSTRAINT sightings_advice_check CHECK ((length(advice) <= 2000)),
    CONSTRAINT sightings_why_check CHECK ((length(why) <= 2000))
);

ALTER TABLE ONLY gateway.sightings FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.bodies (
    tenant text NOT NULL COLLATE pg_catalog."C",
    passage bigint NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY knowledge.bodies ALTER COLUMN body SET STORAGE EXTERNAL;

ALTER TABLE ONLY knowledge.bodies FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.collections (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    spec jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY knowledge.collections FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.documents (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    collection text NOT NULL COLLATE pg_catalog."C",
    source text COLLATE pg_catalog."C",
    ref bytea NOT NULL,
    key bytea NOT NULL,
    facts bytea NOT NULL,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL,
    digest bytea NOT NULL,
    readers text[] NOT NULL COLLATE pg_catalog."C",
    given text NOT NULL,
    floor text NOT NULL,
    labels text NOT NULL,
    state text NOT NULL,
    stage text DEFAULT ''::text NOT NULL,
    fault text DEFAULT ''::text NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    pages integer,
    passages integer DEFAULT 0 NOT NULL,
    language text DEFAULT ''::text NOT NULL,
    added_by text NOT NULL COLLATE pg_catalog."C",
    as_of timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    seen_round bigint DEFAULT 0 NOT NULL,
    revision text DEFAULT ''::text NOT NULL,
    CONSTRAINT documents_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'reading'::text, 'ready'::text, 'failed'::text])))
);

ALTER TABLE ONLY knowledge.documents FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.file_batches (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    collection text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    cancelled_at timestamp with time zone
);

ALTER TABLE ONLY knowledge.file_batches FORCE ROW LEVEL SECURITY;

CREATE SEQUENCE knowledge.passage_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE knowledge.passages (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id bigint NOT NULL,
    document text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    scope bigint NOT NULL,
    embedding public.halfvec(384)
);

ALTER TABLE ONLY knowledge.passages FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.pieces (
    tenant text NOT NULL COLLATE pg_catalog."C",
    document text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY knowledge.pieces ALTER COLUMN body SET STORAGE EXTERNAL;

ALTER TABLE ONLY knowledge.pieces FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.postings (
    tenant text NOT NULL COLLATE pg_catalog."C",
    term bigint NOT NULL,
    scope bigint NOT NULL,
    segment bigint NOT NULL,
    packed bytea NOT NULL
);
ALTER TABLE ONLY knowledge.postings ALTER COLUMN packed SET STORAGE PLAIN;

ALTER TABLE ONLY knowledge.postings FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.questions (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    collection text NOT NULL COLLATE pg_catalog."C",
    asker text NOT NULL COLLATE pg_catalog."C",
    key bytea NOT NULL,
    text bytea NOT NULL,
    reply bytea,
    labels text NOT NULL,
    state text NOT NULL,
    record text COLLATE pg_catalog."C",
    expert text COLLATE pg_catalog."C",
    document text COLLATE pg_catalog."C",
    asked_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT questions_check CHECK (((state = 'open'::text) = (ended_at IS NULL))),
    CONSTRAINT questions_state_check CHECK ((state = ANY (ARRAY['open'::text, 'answered'::text, 'closed'::text])))
);

ALTER TABLE ONLY knowledge.questions FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.ratings (
    tenant text NOT NULL COLLATE pg_catalog."C",
    record text NOT NULL COLLATE pg_catalog."C",
    rater text NOT NULL COLLATE pg_catalog."C",
    collections text[] NOT NULL COLLATE pg_catalog."C",
    is_right boolean NOT NULL,
    rated_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY knowledge.ratings FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.scopes (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id bigint NOT NULL,
    collection text NOT NULL COLLATE pg_catalog."C",
    readers text[] NOT NULL COLLATE pg_catalog."C",
    labels text NOT NULL
);

ALTER TABLE ONLY knowledge.scopes FORCE ROW LEVEL SECURITY;

ALTER TABLE knowledge.scopes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME knowledge.scopes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE knowledge.segments (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id bigint NOT NULL,
    document text NOT NULL COLLATE pg_catalog."C",
    scope bigint NOT NULL,
    passages integer NOT NULL,
    words bigint NOT NULL
);

ALTER TABLE ONLY knowledge.segments FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.sources (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    spec jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY knowledge.sources FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.store_files (
    tenant text NOT NULL COLLATE pg_catalog."C",
    document text NOT NULL COLLATE pg_catalog."C",
    collection text NOT NULL COLLATE pg_catalog."C",
    file text NOT NULL COLLATE pg_catalog."C",
    attributes bytea,
    batch text COLLATE pg_catalog."C",
    is_cancelled boolean DEFAULT false NOT NULL
);

ALTER TABLE ONLY knowledge.store_files FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.syncs (
    tenant text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL COLLATE pg_catalog."C",
    cursor text DEFAULT ''::text NOT NULL,
    round bigint DEFAULT 0 NOT NULL,
    begun_at timestamp with time zone,
    ended_at timestamp with time zone,
    due_at timestamp with time zone NOT NULL,
    fault text DEFAULT ''::text NOT NULL,
    found integer DEFAULT 0 NOT NULL,
    changed integer DEFAULT 0 NOT NULL,
    removed integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    spec text DEFAULT ''::text NOT NULL
);

ALTER TABLE ONLY knowledge.syncs FORCE ROW LEVEL SECURITY;

CREATE TABLE knowledge.vector_stores (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    key bytea NOT NULL,
    facts bytea NOT NULL,
    floor text NOT NULL,
    expires_days integer,
    created_at timestamp with time zone NOT NULL,
    active_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone
);

ALTER TABLE ONLY knowledge.vector_stores FORCE ROW LEVEL SECURITY;

CREATE TABLE ledger.forgotten (
    tenant text NOT NULL COLLATE pg_catalog."C",
    record text NOT NULL COLLATE pg_catalog."C",
    principal text NOT NULL COLLATE pg_catalog."C",
    forgotten_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY ledger.forgotten FORCE ROW LEVEL SECURITY;

CREATE TABLE ledger.leaves (
    tenant text NOT NULL COLLATE pg_catalog."C",
    leaf_index bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT leaves_leaf_index_check CHECK ((leaf_index >= 0))
);

ALTER TABLE ONLY ledger.leaves FORCE ROW LEVEL SECURITY;

CREATE TABLE ledger.logs (
    tenant text NOT NULL COLLATE pg_catalog."C",
    origin text NOT NULL,
    size bigint DEFAULT 0 NOT NULL,
    root bytea NOT NULL,
    frontier bytea NOT NULL,
    epoch bigint DEFAULT 1 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT logs_size_check CHECK ((size >= 0)),
    CONSTRAINT logs_tenant_check CHECK ((tenant ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'::text))
);

ALTER TABLE ONLY ledger.logs FORCE ROW LEVEL SECURITY;

CREATE TABLE ledger.marks (
    tenant text NOT NULL COLLATE pg_catalog."C",
    mark text NOT NULL COLLATE pg_catalog."C",
    record text NOT NULL COLLATE pg_catalog."C"
)
PARTITION BY RANGE (record);

ALTER TABLE ONLY ledger.marks FORCE ROW LEVEL SECURITY;

CREATE TABLE ledger.marks_other (
    tenant text CONSTRAINT marks_tenant_not_null NOT NULL COLLATE pg_catalog."C",
    mark text CONSTRAINT marks_mark_not_null NOT NULL COLLATE pg_catalog."C",
    record text CONSTRAINT marks_record_not_null NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE ledger.openings (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    worker text NOT NULL COLLATE pg_catalog."C",
    leaf bytea NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000');

ALTER TABLE ONLY ledger.openings FORCE ROW LEVEL SECURITY;

CREATE TABLE ledger.parts (
    tenant text NOT NULL COLLATE pg_catalog."C",
    record text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    seal text NOT NULL,
    envelope bytea NOT NULL
)
PARTITION BY RANGE (record);
ALTER TABLE ONLY ledger.parts ALTER COLUMN envelope SET STORAGE EXTERNAL;

ALTER TABLE ONLY ledger.parts FORCE ROW LEVEL SECURITY;

CREATE TABLE ledger.parts_other (
    tenant text CONSTRAINT parts_tenant_not_null NOT NULL COLLATE pg_catalog."C",
    record text CONSTRAINT parts_record_not_null NOT NULL COLLATE pg_catalog."C",
    name text CONSTRAINT parts_name_not_null NOT NULL COLLATE pg_catalog."C",
    seal text CONSTRAINT parts_seal_not_null NOT NULL,
    envelope bytea CONSTRAINT parts_envelope_not_null NOT NULL
);
ALTER TABLE ONLY ledger.parts_other ALTER COLUMN envelope SET STORAGE EXTERNAL;

CREATE TABLE ledger.pending (
    arrival bigint NOT NULL,
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C"
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000');

ALTER TABLE ONLY ledger.pending FORCE ROW LEVEL SECURITY;

ALTER TABLE ledger.pending ALTER COLUMN arrival ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ledger.pending_arrival_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ledger.records (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    opened_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone NOT NULL,
    verb text NOT NULL COLLATE pg_catalog."C",
    outcome text NOT NULL COLLATE pg_catalog."C",
    use_case text NOT NULL COLLATE pg_catalog."C",
    resource text NOT NULL COLLATE pg_catalog."C",
    principal text NOT NULL COLLATE pg_catalog."C",
    parent text COLLATE pg_catalog."C",
    root text COLLATE pg_catalog."C",
    leaf bytea NOT NULL,
    key_id text COLLATE pg_catalog."C",
    CONSTRAINT records_leaf_check CHECK ((octet_length(leaf) <= 65535))
)
PARTITION BY RANGE (id);

ALTER TABLE ONLY ledger.records FORCE ROW LEVEL SECURITY;

CREATE TABLE ledger.records_other (
    tenant text CONSTRAINT records_tenant_not_null NOT NULL COLLATE pg_catalog."C",
    id text CONSTRAINT records_id_not_null NOT NULL COLLATE pg_catalog."C",
    opened_at timestamp with time zone CONSTRAINT records_opened_at_not_null NOT NULL,
    closed_at timestamp with time zone CONSTRAINT records_closed_at_not_null NOT NULL,
    verb text CONSTRAINT records_verb_not_null NOT NULL COLLATE pg_catalog."C",
    outcome text CONSTRAINT records_outcome_not_null NOT NULL COLLATE pg_catalog."C",
    use_case text CONSTRAINT records_use_case_not_null NOT NULL COLLATE pg_catalog."C",
    resource text CONSTRAINT records_resource_not_null NOT NULL COLLATE pg_catalog."C",
    principal text CONSTRAINT records_principal_not_null NOT NULL COLLATE pg_catalog."C",
    parent text COLLATE pg_catalog."C",
    root text COLLATE pg_catalog."C",
    leaf bytea CONSTRAINT records_leaf_not_null NOT NULL,
    key_id text COLLATE pg_catalog."C",
    CONSTRAINT records_leaf_check CHECK ((octet_length(leaf) <= 65535))
);

CREATE TABLE ledger.views (
    tenant text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    filters jsonb NOT NULL,
    is_shared boolean NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    CONSTRAINT views_filters_check CHECK ((octet_length((filters)::text) <= 8192)),
    CONSTRAINT views_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100)))
);

ALTER TABLE ONLY ledger.views FORCE ROW LEVEL SECURITY;

CREATE TABLE notices.deliveries (
    tenant text NOT NULL,
    id text NOT NULL,
    destination text NOT NULL,
    event text NOT NULL,
    subject text NOT NULL,
    notice jsonb NOT NULL,
    raised_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    ended_at timestamp with time zone,
    outcome text,
    error text DEFAULT ''::text NOT NULL,
    CONSTRAINT deliveries_check CHECK (((ended_at IS NULL) = (outcome IS NULL))),
    CONSTRAINT deliveries_error_check CHECK ((length(error) <= 500)),
    CONSTRAINT deliveries_outcome_check CHECK ((outcome = ANY (ARRAY['sent'::text, 'given_up'::text])))
);

ALTER TABLE ONLY notices.deliveries FORCE ROW LEVEL SECURITY;

CREATE TABLE notices.destinations (
    tenant text NOT NULL,
    id text NOT NULL,
    spec jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY notices.destinations FORCE ROW LEVEL SECURITY;

CREATE TABLE people.seen (
    tenant text NOT NULL,
    principal text NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT seen_principal_check CHECK (((principal <> ''::text) AND (length(principal) <= 200)))
);

ALTER TABLE ONLY people.seen FORCE ROW LEVEL SECURITY;

CREATE TABLE people.sessions (
    tenant text NOT NULL,
    digest bytea NOT NULL,
    principal text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    let_in_by text[] DEFAULT '{}'::text[] NOT NULL,
    agent text DEFAULT ''::text NOT NULL,
    seen_at timestamp with time zone,
    roles text[],
    CONSTRAINT sessions_agent_check CHECK ((length(agent) <= 300)),
    CONSTRAINT sessions_digest_check CHECK ((length(digest) = 32)),
    CONSTRAINT sessions_principal_check CHECK (((principal <> ''::text) AND (length(principal) <= 200)))
);

ALTER TABLE ONLY people.sessions FORCE ROW LEVEL SECURITY;

CREATE TABLE people.sign_ins (
    tenant text NOT NULL,
    digest bytea NOT NULL,
    principal text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    made_by text[] DEFAULT '{}'::text[] NOT NULL,
    roles text[],
    CONSTRAINT sign_ins_digest_check CHECK ((length(digest) = 32)),
    CONSTRAINT sign_ins_principal_check CHECK (((principal <> ''::text) AND (length(principal) <= 200)))
);

ALTER TABLE ONLY people.sign_ins FORCE ROW LEVEL SECURITY;

CREATE TABLE policy.api_keys (
    tenant text NOT NULL,
    id text NOT NULL,
    principal text NOT NULL,
    use_case text NOT NULL,
    algorithm text NOT NULL,
    digest bytea NOT NULL,
    prefix text NOT NULL,
    last_four text DEFAULT ''::text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    roles text[] DEFAULT '{}'::text[] NOT NULL,
    scopes text[] DEFAULT '{}'::text[] NOT NULL,
    requests_per_minute integer,
    spend_micros_per_day bigint,
    currency text,
    created_at timestamp with time zone NOT NULL,
    created_by text NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    source text DEFAULT 'api'::text NOT NULL,
    made_by_key text,
    replaced_by text,
    seen_by text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT api_keys_algorithm_check CHECK ((algorithm = ANY (ARRAY['sha256'::text, 'sha512'::text, 'blake2b'::text]))),
    CONSTRAINT api_keys_check CHECK ((length(digest) =
CASE algorithm
    WHEN 'sha256'::text THEN 32
    ELSE 64
END)),
    CONSTRAINT api_keys_check1 CHECK (((spend_micros_per_day IS NULL) = (currency IS NULL))),
    CONSTRAINT api_keys_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT api_keys_expires_at_check CHECK (((expires_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (expires_at <= '3000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT api_keys_id_check CHECK ((id ~ '^[0-9a-z]{8,64}$'::text)),
    CONSTRAINT api_keys_last_four_check CHECK ((length(last_four) <= 4)),
    CONSTRAINT api_keys_name_check CHECK ((length(name) <= 200)),
    CONSTRAINT api_keys_prefix_check CHECK ((length(prefix) <= 16)),
    CONSTRAINT api_keys_requests_per_minute_check CHECK ((requests_per_minute > 0)),
    CONSTRAINT api_keys_source_check CHECK ((source = ANY (ARRAY['api'::text, 'file'::text, 'built_in'::text]))),
    CONSTRAINT api_keys_spend_micros_per_day_check CHECK ((spend_micros_per_day >= 0))
);

ALTER TABLE ONLY policy.api_keys FORCE ROW LEVEL SECURITY;

CREATE TABLE policy.approvals (
    tenant text NOT NULL,
    id text NOT NULL,
    digest bytea NOT NULL,
    principal text NOT NULL,
    on_behalf_of text[] DEFAULT '{}'::text[] NOT NULL,
    use_case text NOT NULL,
    verb text NOT NULL,
    resource text NOT NULL,
    labels text NOT NULL,
    reasons text[] NOT NULL,
    policy_version text NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    approver text,
    decided_at timestamp with time zone,
    approved boolean,
    used_at timestamp with time zone,
    record text DEFAULT ''::text NOT NULL,
    details text[] DEFAULT '{}'::text[] NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    makers text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT approvals_check CHECK ((((decided_at IS NULL) = (approved IS NULL)) AND ((decided_at IS NULL) = (approver IS NULL)))),
    CONSTRAINT approvals_check1 CHECK (((used_at IS NULL) OR approved)),
    CONSTRAINT approvals_digest_check CHECK ((length(digest) = 32)),
    CONSTRAINT approvals_reason_check CHECK ((length(reason) <= 1000))
);

ALTER TABLE ONLY policy.approvals FORCE ROW LEVEL SECURITY;

CREATE TABLE policy.policies (
    tenant text NOT NULL,
    id text NOT NULL,
    text text NOT NULL,
    updated_by text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    source text DEFAULT 'api'::text NOT NULL,
    CONSTRAINT policies_id_check CHECK ((id ~ '^[a-z0-9][a-z0-9._-]{0,62}$'::text)),
    CONSTRAINT policies_source_check CHECK ((source = ANY (ARRAY['api'::text, 'file'::text, 'built_in'::text]))),
    CONSTRAINT policies_text_check CHECK (((text <> ''::text) AND (length(text) <= 256000)))
);

ALTER TABLE ONLY policy.policies FORCE ROW LEVEL SECURITY;

CREATE TABLE policy.principals (
    tenant text NOT NULL,
    id text NOT NULL,
    kind text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    roles text[] DEFAULT '{}'::text[] NOT NULL,
    level smallint DEFAULT 3 NOT NULL,
    categories text[],
    access text[],
    source text DEFAULT 'api'::text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    groups text[] DEFAULT '{}'::text[] NOT NULL,
    owner text DEFAULT ''::text NOT NULL,
    CONSTRAINT principals_id_check CHECK (((id <> ''::text) AND (length(id) <= 200))),
    CONSTRAINT principals_kind_check CHECK ((kind = ANY (ARRAY['person'::text, 'service'::text, 'agent'::text]))),
    CONSTRAINT principals_level_check CHECK (((level >= 0) AND (level <= 3))),
    CONSTRAINT principals_name_check CHECK ((length(name) <= 200)),
    CONSTRAINT principals_owner_check CHECK ((length(owner) <= 200)),
    CONSTRAINT principals_source_check CHECK ((source = ANY (ARRAY['api'::text, 'file'::text, 'built_in'::text])))
);

ALTER TABLE ONLY policy.principals FORCE ROW LEVEL SECURITY;

CREATE TABLE policy.tenants (
    id text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tenants_id_check CHECK ((id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'::text))
);

CREATE TABLE policy.use_cases (
    tenant text NOT NULL,
    id text NOT NULL,
    owner text NOT NULL,
    purpose text NOT NULL,
    risk text NOT NULL,
    floor_level smallint DEFAULT 0 NOT NULL,
    floor_categories text[] DEFAULT '{}'::text[] NOT NULL,
    ceiling_level smallint DEFAULT 3 NOT NULL,
    ceiling_categories text[],
    deployments text[],
    observe text[] DEFAULT '{}'::text[] NOT NULL,
    expires_at timestamp with time zone,
    source text DEFAULT 'api'::text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    members text[] DEFAULT '{}'::text[] NOT NULL,
    title text DEFAULT ''::text NOT NULL,
    status text DEFAULT 'live'::text NOT NULL,
    review_on date,
    CONSTRAINT use_cases_ceiling_level_check CHECK (((ceiling_level >= 0) AND (ceiling_level <= 3))),
    CONSTRAINT use_cases_expires_at_check CHECK (((expires_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (expires_at <= '3000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT use_cases_floor_level_check CHECK (((floor_level >= 0) AND (floor_level <= 3))),
    CONSTRAINT use_cases_id_check CHECK ((id ~ '^[a-z0-9][a-z0-9._-]{0,62}$'::text)),
    CONSTRAINT use_cases_owner_check CHECK (((owner <> ''::text) AND (length(owner) <= 200))),
    CONSTRAINT use_cases_purpose_check CHECK (((purpose <> ''::text) AND (length(purpose) <= 2000))),
    CONSTRAINT use_cases_review_on_check CHECK (((review_on >= '1970-01-01'::date) AND (review_on <= '3000-01-01'::date))),
    CONSTRAINT use_cases_risk_check CHECK ((risk = ANY (ARRAY['minimal'::text, 'limited'::text, 'high'::text]))),
    CONSTRAINT use_cases_source_check CHECK ((source = ANY (ARRAY['api'::text, 'file'::text, 'built_in'::text]))),
    CONSTRAINT use_cases_status_check CHECK ((status = ANY (ARRAY['draft'::text, 'live'::text, 'paused'::text, 'retired'::text]))),
    CONSTRAINT use_cases_title_check CHECK ((length(title) <= 200))
);

ALTER TABLE ONLY policy.use_cases FORCE ROW LEVEL SECURITY;

CREATE TABLE policy.versions (
    only_row boolean DEFAULT true NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT versions_only_row_check CHECK (only_row)
);

CREATE TABLE server.config_changes (
    tenant text NOT NULL,
    id bigint NOT NULL,
    made_at timestamp with time zone NOT NULL,
    principal text NOT NULL,
    way text NOT NULL,
    version text NOT NULL,
    changes jsonb NOT NULL,
    record text,
    CONSTRAINT config_changes_principal_check CHECK ((length(principal) <= 200)),
    CONSTRAINT config_changes_way_check CHECK ((way = ANY (ARRAY['file'::text, 'console'::text, 'undo'::text])))
);

ALTER TABLE ONLY server.config_changes FORCE ROW LEVEL SECURITY;

ALTER TABLE server.config_changes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME server.config_changes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE server.entry_origins (
    tenant text NOT NULL,
    section text NOT NULL,
    entry text NOT NULL,
    origin text NOT NULL,
    CONSTRAINT entry_origins_origin_check CHECK ((origin = ANY (ARRAY['file'::text, 'console'::text])))
);

ALTER TABLE ONLY server.entry_origins FORCE ROW LEVEL SECURITY;

CREATE VIEW server.sessions WITH (security_invoker='true') AS
 SELECT tenant,
    digest,
    principal,
    created_at,
    expires_at
   FROM people.sessions;

CREATE VIEW server.sign_ins WITH (security_invoker='true') AS
 SELECT tenant,
    digest,
    principal,
    expires_at
   FROM people.sign_ins;

CREATE TABLE substrate.migrations (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY finops.cells ATTACH PARTITION finops.cells_of_days FOR VALUES IN ('day');

ALTER TABLE ONLY finops.cells ATTACH PARTITION finops.cells_of_hours FOR VALUES IN ('hour');

ALTER TABLE ONLY finops.cells ATTACH PARTITION finops.cells_of_minutes FOR VALUES IN ('minute');

ALTER TABLE ONLY ledger.marks ATTACH PARTITION ledger.marks_other DEFAULT;

ALTER TABLE ONLY ledger.parts ATTACH PARTITION ledger.parts_other DEFAULT;

ALTER TABLE ONLY ledger.records ATTACH PARTITION ledger.records_other DEFAULT;

ALTER TABLE ONLY batches.batches
    ADD CONSTRAINT batches_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY batches.files
    ADD CONSTRAINT files_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY batches.lines
    ADD CONSTRAINT lines_pkey PRIMARY KEY (tenant, batch, number);

ALTER TABLE ONLY batches.pieces
    ADD CONSTRAINT pieces_pkey PRIMARY KEY (tenant, file, number);

ALTER TABLE ONLY chat.answer_items
    ADD CONSTRAINT answer_items_pkey PRIMARY KEY (tenant, id, answer);

ALTER TABLE ONLY chat.answering
    ADD CONSTRAINT answering_pkey PRIMARY KEY (tenant, conversation, id);

ALTER TABLE ONLY chat.background_answers
    ADD CONSTRAINT background_answers_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY chat.background_events
    ADD CONSTRAINT background_events_pkey PRIMARY KEY (tenant, answer, first);

ALTER TABLE ONLY chat.conversations
    ADD CONSTRAINT conversations_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY chat.entries
    ADD CONSTRAINT entries_pkey PRIMARY KEY (tenant, conversation, id);

ALTER TABLE ONLY chat.kept_answers
    ADD CONSTRAINT kept_answers_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY chat.kept_conversations
    ADD CONSTRAINT kept_conversations_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY chat.kept_items
    ADD CONSTRAINT kept_items_pkey PRIMARY KEY (tenant, conversation, id);

ALTER TABLE ONLY chat.readers
    ADD CONSTRAINT readers_pkey PRIMARY KEY (tenant, conversation, reader);

ALTER TABLE ONLY chat.turns
    ADD CONSTRAINT turns_pkey PRIMARY KEY (tenant, conversation, id);

ALTER TABLE ONLY durable.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY durable.steps
    ADD CONSTRAINT steps_pkey PRIMARY KEY (tenant, run, name);

ALTER TABLE ONLY finops.amounts
    ADD CONSTRAINT amounts_pkey PRIMARY KEY (tenant, grain, series, unit, at);

ALTER TABLE ONLY finops.budget_alerts
    ADD CONSTRAINT budget_alerts_pkey PRIMARY KEY (tenant, budget, subject, period_start, threshold);

ALTER TABLE ONLY finops.budgets
    ADD CONSTRAINT budgets_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY finops.cells
    ADD CONSTRAINT cells_pkey PRIMARY KEY (tenant, grain, series, at);

ALTER TABLE ONLY finops.cells_of_days
    ADD CONSTRAINT cells_of_days_pkey PRIMARY KEY (tenant, grain, series, at);

ALTER TABLE ONLY finops.cells_of_hours
    ADD CONSTRAINT cells_of_hours_pkey PRIMARY KEY (tenant, grain, series, at);

ALTER TABLE ONLY finops.cells_of_minutes
    ADD CONSTRAINT cells_of_minutes_pkey PRIMARY KEY (tenant, grain, series, at);

ALTER TABLE ONLY finops.durations
    ADD CONSTRAINT durations_pkey PRIMARY KEY (tenant, edition, grain, facet, value, measure, at, slot);

ALTER TABLE ONLY finops.editions
    ADD CONSTRAINT editions_pkey PRIMARY KEY (tenant, edition);

ALTER TABLE ONLY finops.reasons
    ADD CONSTRAINT reasons_pkey PRIMARY KEY (tenant, edition, grain, at, use_case, model, outcome, error, rule);

ALTER TABLE ONLY finops.rule_hits
    ADD CONSTRAINT rule_hits_pkey PRIMARY KEY (tenant, edition, grain, at, use_case, rule, does, mode);

ALTER TABLE ONLY finops.rule_words
    ADD CONSTRAINT rule_words_pkey PRIMARY KEY (tenant, rule);

ALTER TABLE ONLY finops.series
    ADD CONSTRAINT series_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY finops.series
    ADD CONSTRAINT series_tenant_edition_facet_use_case_person_key_model_deplo_key UNIQUE (tenant, edition, facet, use_case, person, key, model, deployment, outcome, currency, verb);

ALTER TABLE ONLY gateway.aliases
    ADD CONSTRAINT aliases_pkey PRIMARY KEY (tenant, id);

ALTER TABLE gateway.allowance_shares
    ADD CONSTRAINT allowance_shares_kind_check CHECK ((kind = ANY (ARRAY['requests'::text, 'cost'::text, 'tokens'::text, 'concurrency'::text]))) NOT VALID;

ALTER TABLE ONLY gateway.allowance_shares
    ADD CONSTRAINT allowance_shares_pkey PRIMARY KEY (tenant, key_id, kind, window_start, worker);

ALTER TABLE gateway.allowances
    ADD CONSTRAINT allowances_kind_check CHECK ((kind = ANY (ARRAY['requests'::text, 'cost'::text, 'tokens'::text, 'concurrency'::text]))) NOT VALID;

ALTER TABLE ONLY gateway.allowances
    ADD CONSTRAINT allowances_pkey PRIMARY KEY (tenant, key_id, kind, window_start);

ALTER TABLE ONLY gateway.deployments
    ADD CONSTRAINT deployments_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY gateway.networks
    ADD CONSTRAINT networks_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY gateway.prices
    ADD CONSTRAINT prices_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY gateway.sightings
    ADD CONSTRAINT sightings_pkey PRIMARY KEY (tenant, deployment);

ALTER TABLE ONLY knowledge.bodies
    ADD CONSTRAINT bodies_pkey PRIMARY KEY (tenant, passage);

ALTER TABLE ONLY knowledge.collections
    ADD CONSTRAINT collections_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY knowledge.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY knowledge.file_batches
    ADD CONSTRAINT file_batches_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY knowledge.passages
    ADD CONSTRAINT passages_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY knowledge.passages
    ADD CONSTRAINT passages_tenant_document_number_key UNIQUE (tenant, document, number);

ALTER TABLE ONLY knowledge.pieces
    ADD CONSTRAINT pieces_pkey PRIMARY KEY (tenant, document, number);

ALTER TABLE ONLY knowledge.postings
    ADD CONSTRAINT postings_pkey PRIMARY KEY (tenant, term, scope, segment) INCLUDE (packed);

ALTER TABLE ONLY knowledge.questions
    ADD CONSTRAINT questions_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY knowledge.ratings
    ADD CONSTRAINT ratings_pkey PRIMARY KEY (tenant, record, rater);

ALTER TABLE ONLY knowledge.scopes
    ADD CONSTRAINT scopes_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY knowledge.scopes
    ADD CONSTRAINT scopes_tenant_collection_readers_labels_key UNIQUE (tenant, collection, readers, labels);

ALTER TABLE ONLY knowledge.segments
    ADD CONSTRAINT segments_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY knowledge.sources
    ADD CONSTRAINT sources_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY knowledge.store_files
    ADD CONSTRAINT store_files_pkey PRIMARY KEY (tenant, document);

ALTER TABLE ONLY knowledge.store_files
    ADD CONSTRAINT store_files_tenant_collection_file_key UNIQUE (tenant, collection, file);

ALTER TABLE ONLY knowledge.syncs
    ADD CONSTRAINT syncs_pkey PRIMARY KEY (tenant, source);

ALTER TABLE ONLY knowledge.vector_stores
    ADD CONSTRAINT vector_stores_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY ledger.forgotten
    ADD CONSTRAINT forgotten_pkey PRIMARY KEY (tenant, record, principal);

ALTER TABLE ONLY ledger.leaves
    ADD CONSTRAINT leaves_pkey PRIMARY KEY (tenant, leaf_index);

ALTER TABLE ONLY ledger.leaves
    ADD CONSTRAINT leaves_tenant_id_key UNIQUE (tenant, id);

ALTER TABLE ONLY ledger.logs
    ADD CONSTRAINT logs_pkey PRIMARY KEY (tenant);

ALTER TABLE ONLY ledger.marks
    ADD CONSTRAINT marks_pkey PRIMARY KEY (tenant, mark, record);

ALTER TABLE ONLY ledger.marks_other
    ADD CONSTRAINT marks_other_pkey PRIMARY KEY (tenant, mark, record);

ALTER TABLE ONLY ledger.openings
    ADD CONSTRAINT openings_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY ledger.parts
    ADD CONSTRAINT parts_pkey PRIMARY KEY (tenant, record, name);

ALTER TABLE ONLY ledger.parts_other
    ADD CONSTRAINT parts_other_pkey PRIMARY KEY (tenant, record, name);

ALTER TABLE ONLY ledger.pending
    ADD CONSTRAINT pending_pkey PRIMARY KEY (tenant, arrival);

ALTER TABLE ONLY ledger.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY ledger.records_other
    ADD CONSTRAINT records_other_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ledger.records
    ADD CONSTRAINT records_outcome_check CHECK ((outcome = ANY (ARRAY['done'::text, 'refused'::text, 'withheld'::text, 'failed'::text, 'interrupted'::text, 'abandoned'::text, 'in_doubt'::text]))) NOT VALID;

ALTER TABLE ONLY ledger.views
    ADD CONSTRAINT views_pkey PRIMARY KEY (tenant, owner, name);

ALTER TABLE ONLY notices.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY notices.deliveries
    ADD CONSTRAINT deliveries_tenant_destination_event_subject_key UNIQUE (tenant, destination, event, subject);

ALTER TABLE ONLY notices.destinations
    ADD CONSTRAINT destinations_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY people.seen
    ADD CONSTRAINT seen_pkey PRIMARY KEY (tenant, principal);

ALTER TABLE ONLY people.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (tenant, digest);

ALTER TABLE ONLY people.sign_ins
    ADD CONSTRAINT sign_ins_pkey PRIMARY KEY (tenant, digest);

ALTER TABLE ONLY policy.api_keys
    ADD CONSTRAINT api_keys_algorithm_digest_key UNIQUE (algorithm, digest);

ALTER TABLE ONLY policy.api_keys
    ADD CONSTRAINT api_keys_id_key UNIQUE (id);

ALTER TABLE ONLY policy.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY policy.approvals
    ADD CONSTRAINT approvals_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY policy.policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY policy.principals
    ADD CONSTRAINT principals_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY policy.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY policy.use_cases
    ADD CONSTRAINT use_cases_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY policy.versions
    ADD CONSTRAINT versions_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY server.config_changes
    ADD CONSTRAINT config_changes_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY server.entry_origins
    ADD CONSTRAINT entry_origins_pkey PRIMARY KEY (tenant, section, entry);

ALTER TABLE ONLY substrate.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (name);

CREATE INDEX batches_by_end ON batches.batches USING btree (tenant, keeps_until);

CREATE INDEX batches_by_owner ON batches.batches USING btree (tenant, owner, wire, id);

CREATE INDEX files_by_end ON batches.files USING btree (tenant, expires_at);

CREATE INDEX files_by_owner ON batches.files USING btree (tenant, owner, id);

CREATE INDEX answer_items_by_answer ON chat.answer_items USING btree (tenant, answer);

CREATE INDEX background_answers_by_end ON chat.background_answers USING btree (tenant, expires_at);

CREATE INDEX background_answers_by_owner ON chat.background_answers USING btree (tenant, owner) WHERE (state = ANY (ARRAY['queued'::text, 'in_progress'::text]));

CREATE INDEX conversations_by_person ON chat.conversations USING btree (tenant, person, changed_at DESC, id DESC);

CREATE INDEX entries_by_person ON chat.entries USING btree (tenant, person, id DESC);

CREATE INDEX entries_by_words ON chat.entries USING gin (words) WITH (fastupdate=off);

CREATE INDEX kept_answers_by_end ON chat.kept_answers USING btree (tenant, expires_at);

CREATE INDEX kept_answers_by_time ON chat.kept_answers USING btree (tenant, kept_at);

CREATE INDEX kept_conversations_by_end ON chat.kept_conversations USING btree (tenant, expires_at);

CREATE INDEX kept_items_by_time ON chat.kept_items USING btree (tenant, kept_at);

CREATE INDEX kept_items_in_order ON chat.kept_items USING btree (tenant, conversation, place);

CREATE INDEX readers_by_reader ON chat.readers USING btree (tenant, reader, shared_at DESC, conversation DESC);

CREATE INDEX runs_by_due ON durable.runs USING btree (tenant, queue, due_at) WHERE (ended_at IS NULL);

CREATE INDEX runs_by_end ON durable.runs USING btree (tenant, ended_at) WHERE (ended_at IS NOT NULL);

CREATE INDEX budget_alerts_raised ON finops.budget_alerts USING btree (tenant, raised_at);

CREATE UNIQUE INDEX editions_one_of_a_state ON finops.editions USING btree (tenant, state) WHERE (state <> 'old'::text);

CREATE UNIQUE INDEX documents_by_ref ON knowledge.documents USING btree (tenant, collection, source, ref) NULLS NOT DISTINCT;

CREATE INDEX documents_of_collection ON knowledge.documents USING btree (tenant, collection, id);

CREATE INDEX documents_of_source ON knowledge.documents USING btree (tenant, source) WHERE (source IS NOT NULL);

CREATE INDEX documents_unfinished ON knowledge.documents USING btree (tenant, collection, state) WHERE (state <> 'ready'::text);

CREATE INDEX file_batches_of_collection ON knowledge.file_batches USING btree (tenant, collection);

CREATE INDEX passages_by_meaning ON knowledge.passages USING hnsw (embedding public.halfvec_cosine_ops);

CREATE INDEX passages_by_scope ON knowledge.passages USING btree (tenant, scope);

CREATE INDEX postings_of_segment ON knowledge.postings USING btree (tenant, segment);

CREATE INDEX questions_of_asker ON knowledge.questions USING btree (tenant, asker, id);

CREATE INDEX questions_of_collection ON knowledge.questions USING btree (tenant, collection, state, id);

CREATE INDEX segments_by_scope ON knowledge.segments USING btree (tenant, scope) INCLUDE (passages, words);

CREATE INDEX segments_of_document ON knowledge.segments USING btree (tenant, document);

CREATE INDEX store_files_of_batch ON knowledge.store_files USING btree (tenant, batch) WHERE (batch IS NOT NULL);

CREATE INDEX store_files_of_file ON knowledge.store_files USING btree (tenant, file);

CREATE INDEX vector_stores_by_end ON knowledge.vector_stores USING btree (tenant, expires_at) WHERE (expires_at IS NOT NULL);

CREATE INDEX vector_stores_by_owner ON knowledge.vector_stores USING btree (tenant, owner, id);

CREATE INDEX openings_by_worker ON ledger.openings USING btree (worker);

CREATE INDEX records_by_key ON ONLY ledger.records USING btree (tenant, key_id, id) WHERE (key_id IS NOT NULL);

CREATE INDEX records_by_outcome ON ONLY ledger.records USING btree (tenant, outcome, id) WHERE (outcome <> 'done'::text);

CREATE INDEX records_by_parent ON ONLY ledger.records USING btree (tenant, parent, id) WHERE (parent IS NOT NULL);

CREATE INDEX records_by_principal ON ONLY ledger.records USING btree (tenant, principal, id);

CREATE INDEX records_by_resource ON ONLY ledger.records USING btree (tenant, resource, id);

CREATE INDEX records_by_root ON ONLY ledger.records USING btree (tenant, root, id) WHERE (root IS NOT NULL);

CREATE INDEX records_by_use_case ON ONLY ledger.records USING btree (tenant, use_case, id);

CREATE INDEX records_by_verb ON ONLY ledger.records USING btree (tenant, verb, id);

CREATE INDEX records_first_by_resource ON ONLY ledger.records USING btree (tenant, resource, id) WHERE (parent IS NULL);

CREATE INDEX records_first_by_verb ON ONLY ledger.records USING btree (tenant, verb, id) WHERE (parent IS NULL);

CREATE INDEX records_of_administration ON ONLY ledger.records USING btree (tenant, id) INCLUDE (outcome) WHERE ((parent IS NULL) AND (use_case = ANY (ARRAY['administration'::text, 'jobs'::text])));

CREATE INDEX records_of_calls ON ONLY ledger.records USING btree (tenant, id) INCLUDE (outcome) WHERE ((parent IS NULL) AND (use_case <> ALL (ARRAY['administration'::text, 'jobs'::text])));

CREATE INDEX records_other_tenant_id_outcome_idx ON ledger.records_other USING btree (tenant, id) INCLUDE (outcome) WHERE ((parent IS NULL) AND (use_case <> ALL (ARRAY['administration'::text, 'jobs'::text])));

CREATE INDEX records_other_tenant_id_outcome_idx1 ON ledger.records_other USING btree (tenant, id) INCLUDE (outcome) WHERE ((parent IS NULL) AND (use_case = ANY (ARRAY['administration'::text, 'jobs'::text])));

CREATE INDEX records_other_tenant_key_id_id_idx ON ledger.records_other USING btree (tenant, key_id, id) WHERE (key_id IS NOT NULL);

CREATE INDEX records_other_tenant_outcome_id_idx ON ledger.records_other USING btree (tenant, outcome, id) WHERE (outcome <> 'done'::text);

CREATE INDEX records_other_tenant_parent_id_idx ON ledger.records_other USING btree (tenant, parent, id) WHERE (parent IS NOT NULL);

CREATE INDEX records_other_tenant_principal_id_idx ON ledger.records_other USING btree (tenant, principal, id);

CREATE INDEX records_other_tenant_resource_id_idx ON ledger.records_other USING btree (tenant, resource, id);

CREATE INDEX records_other_tenant_resource_id_idx1 ON ledger.records_other USING btree (tenant, resource, id) WHERE (parent IS NULL);

CREATE INDEX records_other_tenant_root_id_idx ON ledger.records_other USING btree (tenant, root, id) WHERE (root IS NOT NULL);

CREATE INDEX records_other_tenant_use_case_id_idx ON ledger.records_other USING btree (tenant, use_case, id);

CREATE INDEX records_other_tenant_verb_id_idx ON ledger.records_other USING btree (tenant, verb, id);

CREATE INDEX records_other_tenant_verb_id_idx1 ON ledger.records_other USING btree (tenant, verb, id) WHERE (parent IS NULL);

CREATE INDEX deliveries_due ON notices.deliveries USING btree (tenant, due_at) WHERE (ended_at IS NULL);

CREATE INDEX deliveries_ended ON notices.deliveries USING btree (tenant, ended_at) WHERE (ended_at IS NOT NULL);

CREATE INDEX sessions_of_principal ON people.sessions USING btree (tenant, principal);

CREATE INDEX api_keys_of_principal ON policy.api_keys USING btree (tenant, principal) WHERE (revoked_at IS NULL);

CREATE INDEX api_keys_of_use_case ON policy.api_keys USING btree (tenant, use_case) WHERE (revoked_at IS NULL);

CREATE INDEX approvals_of_principal ON policy.approvals USING btree (tenant, principal, id);

CREATE UNIQUE INDEX approvals_undecided ON policy.approvals USING btree (tenant, principal, digest) WHERE (decided_at IS NULL);

CREATE INDEX approvals_unused ON policy.approvals USING btree (tenant, principal, digest) WHERE (approved AND (used_at IS NULL));

CREATE INDEX approvals_waiting ON policy.approvals USING btree (tenant, id) WHERE (decided_at IS NULL);

CREATE INDEX approvals_waiting_of_principal ON policy.approvals USING btree (tenant, principal, expires_at) WHERE (decided_at IS NULL);

ALTER INDEX finops.cells_pkey ATTACH PARTITION finops.cells_of_days_pkey;

ALTER INDEX finops.cells_pkey ATTACH PARTITION finops.cells_of_hours_pkey;

ALTER INDEX finops.cells_pkey ATTACH PARTITION finops.cells_of_minutes_pkey;

ALTER INDEX ledger.marks_pkey ATTACH PARTITION ledger.marks_other_pkey;

ALTER INDEX ledger.parts_pkey ATTACH PARTITION ledger.parts_other_pkey;

ALTER INDEX ledger.records_pkey ATTACH PARTITION ledger.records_other_pkey;

ALTER INDEX ledger.records_of_calls ATTACH PARTITION ledger.records_other_tenant_id_outcome_idx;

ALTER INDEX ledger.records_of_administration ATTACH PARTITION ledger.records_other_tenant_id_outcome_idx1;

ALTER INDEX ledger.records_by_key ATTACH PARTITION ledger.records_other_tenant_key_id_id_idx;

ALTER INDEX ledger.records_by_outcome ATTACH PARTITION ledger.records_other_tenant_outcome_id_idx;

ALTER INDEX ledger.records_by_parent ATTACH PARTITION ledger.records_other_tenant_parent_id_idx;

ALTER INDEX ledger.records_by_principal ATTACH PARTITION ledger.records_other_tenant_principal_id_idx;

ALTER INDEX ledger.records_by_resource ATTACH PARTITION ledger.records_other_tenant_resource_id_idx;

ALTER INDEX ledger.records_first_by_resource ATTACH PARTITION ledger.records_other_tenant_resource_id_idx1;

ALTER INDEX ledger.records_by_root ATTACH PARTITION ledger.records_other_tenant_root_id_idx;

ALTER INDEX ledger.records_by_use_case ATTACH PARTITION ledger.records_other_tenant_use_case_id_idx;

ALTER INDEX ledger.records_by_verb ATTACH PARTITION ledger.records_other_tenant_verb_id_idx;

ALTER INDEX ledger.records_first_by_verb ATTACH PARTITION ledger.records_other_tenant_verb_id_idx1;

CREATE TRIGGER delete_postings AFTER DELETE ON knowledge.segments REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION knowledge.delete_postings();

CREATE CONSTRAINT TRIGGER count_change AFTER INSERT OR DELETE OR UPDATE ON policy.api_keys DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION policy.count_change();

CREATE CONSTRAINT TRIGGER count_change AFTER INSERT OR DELETE OR UPDATE ON policy.policies DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION policy.count_change();

CREATE CONSTRAINT TRIGGER count_change AFTER INSERT OR DELETE OR UPDATE ON policy.principals DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION policy.count_change();

CREATE CONSTRAINT TRIGGER count_change AFTER INSERT OR DELETE OR UPDATE ON policy.tenants DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION policy.count_change();

CREATE CONSTRAINT TRIGGER count_change AFTER INSERT OR DELETE OR UPDATE ON policy.use_cases DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION policy.count_change();

CREATE TRIGGER furnish_tenant AFTER INSERT ON policy.tenants FOR EACH ROW EXECUTE FUNCTION policy.furnish_tenant();

ALTER TABLE ONLY batches.lines
    ADD CONSTRAINT lines_tenant_batch_fkey FOREIGN KEY (tenant, batch) REFERENCES batches.batches(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY batches.pieces
    ADD CONSTRAINT pieces_tenant_file_fkey FOREIGN KEY (tenant, file) REFERENCES batches.files(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY chat.answer_items
    ADD CONSTRAINT answer_items_tenant_answer_fkey FOREIGN KEY (tenant, answer) REFERENCES chat.kept_answers(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY chat.answering
    ADD CONSTRAINT answering_tenant_conversation_fkey FOREIGN KEY (tenant, conversation) REFERENCES chat.conversations(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY chat.background_events
    ADD CONSTRAINT background_events_tenant_answer_fkey FOREIGN KEY (tenant, answer) REFERENCES chat.background_answers(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY chat.entries
    ADD CONSTRAINT entries_tenant_conversation_fkey FOREIGN KEY (tenant, conversation) REFERENCES chat.conversations(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY chat.kept_items
    ADD CONSTRAINT kept_items_tenant_conversation_fkey FOREIGN KEY (tenant, conversation) REFERENCES chat.kept_conversations(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY chat.readers
    ADD CONSTRAINT readers_tenant_conversation_fkey FOREIGN KEY (tenant, conversation) REFERENCES chat.conversations(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY chat.turns
    ADD CONSTRAINT turns_tenant_conversation_fkey FOREIGN KEY (tenant, conversation) REFERENCES chat.conversations(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY durable.steps
    ADD CONSTRAINT steps_tenant_run_fkey FOREIGN KEY (tenant, run) REFERENCES durable.runs(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY knowledge.bodies
    ADD CONSTRAINT bodies_tenant_passage_fkey FOREIGN KEY (tenant, passage) REFERENCES knowledge.passages(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY knowledge.passages
    ADD CONSTRAINT passages_tenant_document_fkey FOREIGN KEY (tenant, document) REFERENCES knowledge.documents(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY knowledge.pieces
    ADD CONSTRAINT pieces_tenant_document_fkey FOREIGN KEY (tenant, document) REFERENCES knowledge.documents(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY knowledge.segments
    ADD CONSTRAINT segments_tenant_document_fkey FOREIGN KEY (tenant, document) REFERENCES knowledge.documents(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY knowledge.segments
    ADD CONSTRAINT segments_tenant_scope_fkey FOREIGN KEY (tenant, scope) REFERENCES knowledge.scopes(tenant, id);

ALTER TABLE ONLY knowledge.store_files
    ADD CONSTRAINT store_files_tenant_document_fkey FOREIGN KEY (tenant, document) REFERENCES knowledge.documents(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY people.seen
    ADD CONSTRAINT seen_tenant_principal_fkey FOREIGN KEY (tenant, principal) REFERENCES policy.principals(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY people.sessions
    ADD CONSTRAINT sessions_tenant_principal_fkey FOREIGN KEY (tenant, principal) REFERENCES policy.principals(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY people.sign_ins
    ADD CONSTRAINT sign_ins_tenant_principal_fkey FOREIGN KEY (tenant, principal) REFERENCES policy.principals(tenant, id) ON DELETE CASCADE;

ALTER TABLE ONLY policy.api_keys
    ADD CONSTRAINT api_keys_tenant_fkey FOREIGN KEY (tenant) REFERENCES policy.tenants(id);

ALTER TABLE ONLY policy.approvals
    ADD CONSTRAINT approvals_tenant_fkey FOREIGN KEY (tenant) REFERENCES policy.tenants(id);

ALTER TABLE ONLY policy.policies
    ADD CONSTRAINT policies_tenant_fkey FOREIGN KEY (tenant) REFERENCES policy.tenants(id);

ALTER TABLE ONLY policy.principals
    ADD CONSTRAINT principals_tenant_fkey FOREIGN KEY (tenant) REFERENCES policy.tenants(id);

ALTER TABLE ONLY policy.use_cases
    ADD CONSTRAINT use_cases_tenant_fkey FOREIGN KEY (tenant) REFERENCES policy.tenants(id);

ALTER TABLE batches.batches ENABLE ROW LEVEL SECURITY;

ALTER TABLE batches.files ENABLE ROW LEVEL SECURITY;

ALTER TABLE batches.lines ENABLE ROW LEVEL SECURITY;

ALTER TABLE batches.pieces ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON batches.batches USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON batches.files USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON batches.lines USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON batches.pieces USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

ALTER TABLE chat.answer_items ENABLE ROW LEVEL SECURITY;

ALTER TABLE chat.answering ENABLE ROW LEVEL SECURITY;

ALTER TABLE chat.background_answers ENABLE ROW LEVEL SECURITY;

ALTER TABLE chat.background_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE chat.conversations ENABLE ROW LEVEL SECURITY;

ALTER TABLE chat.entries ENABLE ROW LEVEL SECURITY;

ALTER TABLE chat.kept_answers ENABLE ROW LEVEL SECURITY;

ALTER TABLE chat.kept_conversations ENABLE ROW LEVEL SECURITY;

ALTER TABLE chat.kept_items ENABLE ROW LEVEL SECURITY;

ALTER TABLE chat.readers ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON chat.answer_items USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON chat.answering USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON chat.background_answers USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON chat.background_events USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON chat.conversations USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON chat.entries USING (((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)) AND (words @> (COALESCE(NULLIF(current_setting('app.chat_words'::text, true), ''::text), '{}'::text))::bigint[]))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON chat.kept_answers USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON chat.kept_conversations USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON chat.kept_items USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON chat.readers USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON chat.turns USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

ALTER TABLE chat.turns ENABLE ROW LEVEL SECURITY;

ALTER TABLE durable.runs ENABLE ROW LEVEL SECURITY;

ALTER TABLE durable.steps ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON durable.runs USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON durable.steps USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

ALTER TABLE finops.amounts ENABLE ROW LEVEL SECURITY;

ALTER TABLE finops.budget_alerts ENABLE ROW LEVEL SECURITY;

ALTER TABLE finops.budgets ENABLE ROW LEVEL SECURITY;

ALTER TABLE finops.cells ENABLE ROW LEVEL SECURITY;

ALTER TABLE finops.durations ENABLE ROW LEVEL SECURITY;

ALTER TABLE finops.editions ENABLE ROW LEVEL SECURITY;

ALTER TABLE finops.reasons ENABLE ROW LEVEL SECURITY;

ALTER TABLE finops.rule_hits ENABLE ROW LEVEL SECURITY;

ALTER TABLE finops.rule_words ENABLE ROW LEVEL SECURITY;

ALTER TABLE finops.series ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON finops.amounts USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON finops.budget_alerts USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON finops.budgets USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON finops.cells USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON finops.durations USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON finops.editions USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON finops.reasons USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON finops.rule_hits USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON finops.rule_words USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON finops.series USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

ALTER TABLE gateway.aliases ENABLE ROW LEVEL SECURITY;

ALTER TABLE gateway.allowance_shares ENABLE ROW LEVEL SECURITY;

ALTER TABLE gateway.allowances ENABLE ROW LEVEL SECURITY;

ALTER TABLE gateway.deployments ENABLE ROW LEVEL SECURITY;

ALTER TABLE gateway.networks ENABLE ROW LEVEL SECURITY;

ALTER TABLE gateway.prices ENABLE ROW LEVEL SECURITY;

ALTER TABLE gateway.sightings ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON gateway.aliases USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON gateway.allowance_shares USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON gateway.allowances USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON gateway.deployments USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON gateway.networks USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON gateway.prices USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON gateway.sightings USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

ALTER TABLE knowledge.bodies ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.collections ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.documents ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.file_batches ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.passages ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.pieces ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.postings ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.questions ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.ratings ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.scopes ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.segments ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.sources ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.store_files ENABLE ROW LEVEL SECURITY;

ALTER TABLE knowledge.syncs ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON knowledge.bodies USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.collections USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.documents USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.file_batches USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.passages USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.pieces USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.postings USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.questions USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.ratings USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.scopes USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.segments USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.sources USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.store_files USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.syncs USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON knowledge.vector_stores USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

ALTER TABLE knowledge.vector_stores ENABLE ROW LEVEL SECURITY;

ALTER TABLE ledger.forgotten ENABLE ROW LEVEL SECURITY;

ALTER TABLE ledger.leaves ENABLE ROW LEVEL SECURITY;

ALTER TABLE ledger.logs ENABLE ROW LEVEL SECURITY;

ALTER TABLE ledger.marks ENABLE ROW LEVEL SECURITY;

ALTER TABLE ledger.openings ENABLE ROW LEVEL SECURITY;

ALTER TABLE ledger.parts ENABLE ROW LEVEL SECURITY;

ALTER TABLE ledger.pending ENABLE ROW LEVEL SECURITY;

ALTER TABLE ledger.records ENABLE ROW LEVEL SECURITY;

CREATE POLICY sequencer ON ledger.logs FOR SELECT TO headgate_sequencer USING ((tenant <> ''::text));

CREATE POLICY sequencer ON ledger.pending FOR SELECT TO headgate_sequencer USING ((tenant <> ''::text));

CREATE POLICY shipper ON ledger.forgotten FOR SELECT TO headgate_writer USING ((tenant <> ''::text));

CREATE POLICY shipper ON ledger.marks FOR INSERT TO headgate_writer WITH CHECK ((tenant <> ''::text));

CREATE POLICY shipper ON ledger.openings TO headgate_writer USING ((tenant <> ''::text)) WITH CHECK ((tenant <> ''::text));

CREATE POLICY shipper ON ledger.parts FOR INSERT TO headgate_writer WITH CHECK ((tenant <> ''::text));

CREATE POLICY shipper ON ledger.pending FOR INSERT TO headgate_writer WITH CHECK ((tenant <> ''::text));

CREATE POLICY shipper ON ledger.records FOR INSERT TO headgate_writer WITH CHECK ((tenant <> ''::text));

CREATE POLICY tenant_only ON ledger.forgotten USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON ledger.leaves USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON ledger.logs USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON ledger.marks USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON ledger.openings USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON ledger.parts USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON ledger.pending USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON ledger.records USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON ledger.views USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

ALTER TABLE ledger.views ENABLE ROW LEVEL SECURITY;

ALTER TABLE notices.deliveries ENABLE ROW LEVEL SECURITY;

ALTER TABLE notices.destinations ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON notices.deliveries USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON notices.destinations USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

ALTER TABLE people.seen ENABLE ROW LEVEL SECURITY;

ALTER TABLE people.sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE people.sign_ins ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON people.seen USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON people.sessions USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON people.sign_ins USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

ALTER TABLE policy.api_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE policy.approvals ENABLE ROW LEVEL SECURITY;

ALTER TABLE policy.policies ENABLE ROW LEVEL SECURITY;

ALTER TABLE policy.principals ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON policy.api_keys USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON policy.approvals USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON policy.policies USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON policy.principals USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON policy.use_cases USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

ALTER TABLE policy.use_cases ENABLE ROW LEVEL SECURITY;

ALTER TABLE server.config_changes ENABLE ROW LEVEL SECURITY;

ALTER TABLE server.entry_origins ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON server.config_changes USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

CREATE POLICY tenant_only ON server.entry_origins USING ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))) WITH CHECK ((tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text)));

GRANT USAGE ON SCHEMA batches TO headgate_app;

GRANT USAGE ON SCHEMA chat TO headgate_app;

GRANT USAGE ON SCHEMA durable TO headgate_app;

GRANT USAGE ON SCHEMA finops TO headgate_app;
GRANT USAGE ON SCHEMA finops TO headgate_admin;

GRANT USAGE ON SCHEMA gateway TO headgate_app;
GRANT USAGE ON SCHEMA gateway TO headgate_admin;

GRANT USAGE ON SCHEMA knowledge TO headgate_app;
GRANT USAGE ON SCHEMA knowledge TO headgate_admin;

GRANT USAGE ON SCHEMA ledger TO headgate_app;
GRANT USAGE ON SCHEMA ledger TO headgate_admin;
GRANT USAGE ON SCHEMA ledger TO headgate_writer;
GRANT USAGE ON SCHEMA ledger TO headgate_sequencer;

GRANT USAGE ON SCHEMA notices TO headgate_app;
GRANT USAGE ON SCHEMA notices TO headgate_admin;

GRANT USAGE ON SCHEMA people TO headgate_app;
GRANT USAGE ON SCHEMA people TO headgate_admin;

GRANT USAGE ON SCHEMA policy TO headgate_app;
GRANT USAGE ON SCHEMA policy TO headgate_admin;

GRANT USAGE ON SCHEMA server TO headgate_app;
GRANT USAGE ON SCHEMA server TO headgate_admin;

REVOKE ALL ON FUNCTION ledger.forget(of_tenant text, of_principal text, of_records text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.forget(of_tenant text, of_principal text, of_records text[]) TO headgate_app;

REVOKE ALL ON FUNCTION ledger.prepare_months() FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.prepare_months() TO headgate_writer;

REVOKE ALL ON FUNCTION ledger.ulid_floor(moment timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION policy.count_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION policy.furnish_tenant() FROM PUBLIC;

REVOKE ALL ON FUNCTION substrate.protect(target regclass) FROM PUBLIC;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE batches.batches TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE batches.files TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE batches.lines TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE batches.pieces TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE chat.answer_items TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE chat.answering TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE chat.background_answers TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE chat.background_events TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE chat.conversations TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE chat.entries TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE chat.kept_answers TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE chat.kept_conversations TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE chat.kept_items TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE chat.readers TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE chat.turns TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE durable.runs TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE durable.steps TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE finops.amounts TO headgate_app;

GRANT SELECT,INSERT,DELETE ON TABLE finops.budget_alerts TO headgate_app;

GRANT SELECT ON TABLE finops.budgets TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE finops.budgets TO headgate_admin;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE finops.cells TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE finops.durations TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE finops.editions TO headgate_app;
GRANT SELECT,INSERT ON TABLE finops.editions TO headgate_admin;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE finops.reasons TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE finops.rule_hits TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE finops.rule_words TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE finops.series TO headgate_app;

GRANT SELECT ON TABLE gateway.aliases TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE gateway.aliases TO headgate_admin;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE gateway.allowance_shares TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE gateway.allowances TO headgate_app;

GRANT SELECT ON TABLE gateway.deployments TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE gateway.deployments TO headgate_admin;

GRANT SELECT ON TABLE gateway.networks TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE gateway.networks TO headgate_admin;

GRANT SELECT ON TABLE gateway.prices TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE gateway.prices TO headgate_admin;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE gateway.sightings TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.bodies TO headgate_app;

GRANT SELECT ON TABLE knowledge.collections TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.collections TO headgate_admin;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.documents TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.file_batches TO headgate_app;

GRANT USAGE ON SEQUENCE knowledge.passage_ids TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.passages TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.pieces TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.postings TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.questions TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.ratings TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.scopes TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.segments TO headgate_app;

GRANT SELECT ON TABLE knowledge.sources TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.sources TO headgate_admin;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.store_files TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.syncs TO headgate_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.vector_stores TO headgate_app;

GRANT SELECT ON TABLE ledger.forgotten TO headgate_app;
GRANT SELECT ON TABLE ledger.forgotten TO headgate_writer;

GRANT SELECT ON TABLE ledger.leaves TO headgate_app;
GRANT SELECT ON TABLE ledger.leaves TO headgate_admin;
GRANT SELECT,INSERT ON TABLE ledger.leaves TO headgate_sequencer;

GRANT SELECT ON TABLE ledger.logs TO headgate_app;
GRANT SELECT ON TABLE ledger.logs TO headgate_admin;
GRANT SELECT,INSERT ON TABLE ledger.logs TO headgate_sequencer;

GRANT UPDATE(size) ON TABLE ledger.logs TO headgate_sequencer;

GRANT UPDATE(root) ON TABLE ledger.logs TO headgate_sequencer;

GRANT UPDATE(frontier) ON TABLE ledger.logs TO headgate_sequencer;

GRANT UPDATE(epoch) ON TABLE ledger.logs TO headgate_sequencer;

GRANT UPDATE(updated_at) ON TABLE ledger.logs TO headgate_sequencer;

GRANT SELECT ON TABLE ledger.marks TO headgate_app;
GRANT SELECT ON TABLE ledger.marks TO headgate_admin;
GRANT INSERT ON TABLE ledger.marks TO headgate_writer;

GRANT SELECT ON TABLE ledger.openings TO headgate_app;
GRANT SELECT ON TABLE ledger.openings TO headgate_admin;
GRANT SELECT,INSERT,DELETE ON TABLE ledger.openings TO headgate_writer;

GRANT SELECT ON TABLE ledger.parts TO headgate_app;
GRANT SELECT ON TABLE ledger.parts TO headgate_admin;
GRANT INSERT ON TABLE ledger.parts TO headgate_writer;

GRANT INSERT ON TABLE ledger.pending TO headgate_writer;
GRANT SELECT,DELETE ON TABLE ledger.pending TO headgate_sequencer;

GRANT SELECT ON TABLE ledger.records TO headgate_app;
GRANT SELECT ON TABLE ledger.records TO headgate_admin;
GRANT INSERT ON TABLE ledger.records TO headgate_writer;
GRANT SELECT ON TABLE ledger.records TO headgate_sequencer;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE ledger.views TO headgate_app;
GRANT SELECT ON TABLE ledger.views TO headgate_admin;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE notices.deliveries TO headgate_app;
GRANT SELECT,INSERT ON TABLE notices.deliveries TO headgate_admin;

GRANT SELECT ON TABLE notices.destinations TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE notices.destinations TO headgate_admin;

GRANT SELECT,INSERT,UPDATE ON TABLE people.seen TO headgate_app;

GRANT SELECT,INSERT,DELETE ON TABLE people.sessions TO headgate_app;

GRANT UPDATE(seen_at) ON TABLE people.sessions TO headgate_app;

GRANT SELECT,INSERT,DELETE ON TABLE people.sign_ins TO headgate_app;
GRANT SELECT,INSERT,DELETE ON TABLE people.sign_ins TO headgate_admin;

GRANT SELECT ON TABLE policy.api_keys TO headgate_app;
GRANT SELECT,INSERT,UPDATE ON TABLE policy.api_keys TO headgate_admin;

GRANT SELECT,INSERT ON TABLE policy.approvals TO headgate_app;
GRANT SELECT ON TABLE policy.approvals TO headgate_admin;

GRANT UPDATE(expires_at) ON TABLE policy.approvals TO headgate_app;
GRANT UPDATE(expires_at) ON TABLE policy.approvals TO headgate_admin;

GRANT UPDATE(approver) ON TABLE policy.approvals TO headgate_admin;

GRANT UPDATE(decided_at) ON TABLE policy.approvals TO headgate_admin;

GRANT UPDATE(approved) ON TABLE policy.approvals TO headgate_admin;

GRANT UPDATE(used_at) ON TABLE policy.approvals TO headgate_app;

GRANT UPDATE(reason) ON TABLE policy.approvals TO headgate_admin;

GRANT UPDATE(makers) ON TABLE policy.approvals TO headgate_app;

GRANT SELECT ON TABLE policy.policies TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE policy.policies TO headgate_admin;

GRANT SELECT ON TABLE policy.principals TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE policy.principals TO headgate_admin;

GRANT SELECT ON TABLE policy.tenants TO headgate_app;
GRANT SELECT,INSERT ON TABLE policy.tenants TO headgate_admin;

GRANT SELECT ON TABLE policy.use_cases TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE policy.use_cases TO headgate_admin;

GRANT SELECT ON TABLE policy.versions TO headgate_app;
GRANT SELECT ON TABLE policy.versions TO headgate_admin;

GRANT SELECT ON TABLE server.config_changes TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE server.config_changes TO headgate_admin;

GRANT SELECT ON TABLE server.entry_origins TO headgate_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE server.entry_origins TO headgate_admin;

GRANT SELECT,INSERT,DELETE ON TABLE server.sessions TO headgate_app;

GRANT SELECT,INSERT,DELETE ON TABLE server.sign_ins TO headgate_app;
GRANT SELECT,INSERT,DELETE ON TABLE server.sign_ins TO headgate_admin;

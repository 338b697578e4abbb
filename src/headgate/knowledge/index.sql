-- name: next_ids
SELECT nextval('knowledge.passage_ids') AS id FROM generate_series(1, %(count)s)

-- name: delete_passages
-- The bodies go with them.
DELETE FROM knowledge.passages WHERE tenant = %(tenant)s AND document = %(document)s

-- name: delete_segments
-- The postings go with them.
DELETE FROM knowledge.segments WHERE tenant = %(tenant)s AND document = %(document)s

-- name: add_passages
INSERT INTO knowledge.passages (tenant, id, document, number, scope, embedding)
SELECT %(tenant)s, new.id, %(document)s, new.number, new.scope, new.embedding::halfvec
FROM unnest(%(ids)s::bigint[], %(numbers)s::integer[], %(scopes)s::bigint[], %(embeddings)s::text[])
    AS new (id, number, scope, embedding)

-- name: add_bodies
INSERT INTO knowledge.bodies (tenant, passage, body)
SELECT %(tenant)s, new.id, new.body FROM unnest(%(ids)s::bigint[], %(bodies)s::bytea[]) AS new (id, body)

-- name: add_segments
INSERT INTO knowledge.segments (tenant, id, document, scope, passages, words)
SELECT %(tenant)s, new.id, %(document)s, new.scope, new.passages, new.words
FROM unnest(%(ids)s::bigint[], %(scopes)s::bigint[], %(passages)s::integer[], %(words)s::bigint[])
    AS new (id, scope, passages, words)

-- name: add_postings
INSERT INTO knowledge.postings (tenant, term, scope, segment, packed)
SELECT %(tenant)s, new.term, new.scope, new.segment, new.packed
FROM unnest(%(terms)s::bigint[], %(scopes)s::bigint[], %(segments)s::bigint[], %(packed)s::bytea[])
    AS new (term, scope, segment, packed)

-- name: add_scope
INSERT INTO knowledge.scopes (tenant, collection, readers, labels)
VALUES (%(tenant)s, %(collection)s, %(readers)s, %(labels)s)
ON CONFLICT DO NOTHING

-- name: hold_scope
-- The lock keeps forget_unused_scopes from deleting it before it is used.
SELECT id FROM knowledge.scopes
WHERE tenant = %(tenant)s AND collection = %(collection)s AND readers = %(readers)s AND labels = %(labels)s
FOR KEY SHARE

-- name: scopes
SELECT id, collection, readers, labels FROM knowledge.scopes
WHERE tenant = %(tenant)s AND collection = ANY(%(collections)s) ORDER BY id

-- name: move_passages
UPDATE knowledge.passages SET scope = move.new FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS move (old, new)
WHERE tenant = %(tenant)s AND document = %(document)s AND scope = move.old

-- name: move_segments
UPDATE knowledge.segments SET scope = move.new FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS move (old, new)
WHERE tenant = %(tenant)s AND document = %(document)s AND scope = move.old

-- name: move_postings
-- After move_segments.
UPDATE knowledge.postings SET scope = segments.scope FROM knowledge.segments
WHERE segments.tenant = %(tenant)s AND segments.document = %(document)s
    AND postings.tenant = %(tenant)s AND postings.segment = segments.id AND postings.scope <> segments.scope

-- name: forget_unused_scopes
DELETE FROM knowledge.scopes WHERE tenant = %(tenant)s AND id IN (
    SELECT id FROM knowledge.scopes AS unused
    WHERE tenant = %(tenant)s AND NOT EXISTS (
        SELECT FROM knowledge.segments WHERE tenant = %(tenant)s AND scope = unused.id
    )
    FOR UPDATE SKIP LOCKED
)

-- name: prepare_search
-- Until the end of the transaction. A generic plan does not know how many passages a caller may read. Without an
-- iterative scan the access filter would leave fewer passages than were asked for. Starting processes costs a search more
-- than they save.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
    set_config('max_parallel_workers_per_gather', '0', true),
    set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.scan_mem_multiplier', '8', true),
    set_config('hnsw.ef_search', %(ef_search)s, true), set_config('hnsw.max_scan_tuples', %(max_scan)s, true)

-- name: corpus
SELECT coalesce(sum(passages), 0)::bigint AS passages, coalesce(sum(words), 0)::bigint AS words
FROM knowledge.segments WHERE tenant = %(tenant)s AND scope = ANY(%(scopes)s::bigint[])
    AND (%(documents)s::text[] IS NULL OR document = ANY(%(documents)s::text[]))

-- name: all_passages
-- An estimate of the server, over all tenants.
SELECT reltuples::bigint FROM pg_catalog.pg_class WHERE oid = 'knowledge.passages'::regclass

-- name: frequencies
SELECT term, sum(length(packed))::bigint AS size_bytes FROM knowledge.postings
WHERE tenant = %(tenant)s AND term = ANY(%(terms)s::bigint[]) AND scope = ANY(%(scopes)s::bigint[])
    AND (%(documents)s::text[] IS NULL OR segment IN (
        SELECT id FROM knowledge.segments WHERE tenant = %(tenant)s AND document = ANY(%(documents)s::text[])
    ))
GROUP BY term

-- name: postings
SELECT term, string_agg(packed, '') AS packed FROM knowledge.postings
WHERE tenant = %(tenant)s AND term = ANY(%(terms)s::bigint[]) AND scope = ANY(%(scopes)s::bigint[])
    AND (%(documents)s::text[] IS NULL OR segment IN (
        SELECT id FROM knowledge.segments WHERE tenant = %(tenant)s AND document = ANY(%(documents)s::text[])
    ))
GROUP BY term

-- name: nearest_exactly
-- The addition keeps the planner from the index of vectors.
SELECT id, embedding <=> %(vector)s::halfvec AS distance FROM knowledge.passages
WHERE tenant = %(tenant)s AND scope = ANY(%(scopes)s::bigint[]) AND embedding IS NOT NULL
    AND (%(documents)s::text[] IS NULL OR document = ANY(%(documents)s::text[]))
ORDER BY (embedding <=> %(vector)s::halfvec) + 0, id LIMIT %(limit)s

-- name: nearest
SELECT id, embedding <=> %(vector)s::halfvec AS distance FROM knowledge.passages
WHERE tenant = %(tenant)s AND scope = ANY(%(scopes)s::bigint[])
    AND (%(documents)s::text[] IS NULL OR document = ANY(%(documents)s::text[]))
ORDER BY embedding <=> %(vector)s::halfvec LIMIT %(limit)s

-- name: places
SELECT id, document, number FROM knowledge.passages
WHERE tenant = %(tenant)s AND id = ANY(%(passages)s::bigint[]) AND scope = ANY(%(scopes)s::bigint[])

-- name: open
SELECT passages.id AS passage, passages.document, passages.number, passages.scope, bodies.body
FROM knowledge.passages JOIN knowledge.bodies ON bodies.tenant = passages.tenant AND bodies.passage = passages.id
WHERE passages.tenant = %(tenant)s AND passages.id = ANY(%(passages)s::bigint[])
    AND passages.scope = ANY(%(scopes)s::bigint[])

-- name: collections
SELECT spec::text AS spec FROM knowledge.collections WHERE tenant = %(tenant)s ORDER BY id

-- name: put_collection
INSERT INTO knowledge.collections (tenant, id, spec) VALUES (%(tenant)s, %(id)s, %(spec)s::jsonb)
ON CONFLICT (tenant, id) DO UPDATE SET spec = EXCLUDED.spec, updated_at = now()

-- name: delete_collection
DELETE FROM knowledge.collections WHERE tenant = %(tenant)s AND id = %(id)s

-- name: sources
SELECT spec::text AS spec FROM knowledge.sources WHERE tenant = %(tenant)s ORDER BY id

-- name: put_source
INSERT INTO knowledge.sources (tenant, id, spec) VALUES (%(tenant)s, %(id)s, %(spec)s::jsonb)
ON CONFLICT (tenant, id) DO UPDATE SET spec = EXCLUDED.spec, updated_at = now()

-- name: delete_source
DELETE FROM knowledge.sources WHERE tenant = %(tenant)s AND id = %(id)s

-- name: add_document
INSERT INTO knowledge.documents
    (tenant, id, collection, source, ref, key, facts, media_type, size_bytes, digest, readers, given, floor, labels, state,
    added_by, as_of, created_at, changed_at, seen_round)
VALUES (%(tenant)s, %(id)s, %(collection)s, %(source)s, %(ref)s, %(key)s, %(facts)s, %(media_type)s, %(size_bytes)s,
    %(digest)s, %(readers)s, %(given)s, %(floor)s, %(labels)s, 'waiting', %(added_by)s, %(as_of)s, %(now)s, %(now)s, %(seen_round)s)

-- name: replace_text
-- A new version of a document. Its old passages stay until the new ones are there.
UPDATE knowledge.documents SET facts = %(facts)s, media_type = %(media_type)s, size_bytes = %(size_bytes)s,
    digest = %(digest)s, state = 'waiting', stage = '', fault = '', version = version + 1, as_of = %(as_of)s,
    changed_at = %(now)s, added_by = %(added_by)s, given = %(given)s, floor = %(floor)s,
    labels = %(labels)s
WHERE tenant = %(tenant)s AND id = %(id)s

-- name: add_piece
INSERT INTO knowledge.pieces (tenant, document, number, body) VALUES (%(tenant)s, %(document)s, %(number)s, %(body)s)

-- name: delete_pieces
DELETE FROM knowledge.pieces WHERE tenant = %(tenant)s AND document = %(document)s

-- name: piece
SELECT body FROM knowledge.pieces WHERE tenant = %(tenant)s AND document = %(document)s AND number = %(number)s

-- name: document
SELECT id, collection, source, key, facts, media_type, size_bytes, digest, readers, given, floor, labels, state, stage, fault,
    version, pages, passages, language, added_by, as_of, created_at, changed_at, seen_round
FROM knowledge.documents WHERE tenant = %(tenant)s AND id = %(id)s

-- name: lock_document
SELECT id, collection, source, key, facts, media_type, size_bytes, digest, readers, given, floor, labels, state, stage, fault,
    version, pages, passages, language, added_by, as_of, created_at, changed_at, seen_round
FROM knowledge.documents WHERE tenant = %(tenant)s AND id = %(id)s FOR UPDATE

-- name: document_by_ref
SELECT id, collection, source, key, facts, media_type, size_bytes, digest, readers, given, floor, labels, state, stage, fault,
    version, pages, passages, language, added_by, as_of, created_at, changed_at, seen_round
FROM knowledge.documents
WHERE tenant = %(tenant)s AND collection = %(collection)s AND source IS NOT DISTINCT FROM %(source)s::text AND ref = %(ref)s
FOR UPDATE

-- name: documents
-- Those that somebody with these entries may read; the newest first.
SELECT id, collection, source, key, facts, media_type, size_bytes, digest, readers, given, floor, labels, state, stage, fault,
    version, pages, passages, language, added_by, as_of, created_at, changed_at, seen_round
FROM knowledge.documents
WHERE tenant = %(tenant)s AND collection = %(collection)s AND (%(before)s::text IS NULL OR id < %(before)s)
    AND (%(state)s::text IS NULL OR state = %(state)s) AND (%(entries)s::text[] IS NULL OR readers && %(entries)s::text[])
    AND (%(labels)s::text[] IS NULL OR labels = ANY(%(labels)s::text[]))
ORDER BY id DESC LIMIT %(limit)s

-- name: labels_of
SELECT DISTINCT labels FROM knowledge.documents WHERE tenant = %(tenant)s AND collection = %(collection)s

-- name: documents_of
SELECT id, collection, source, key, facts, media_type, size_bytes, digest, readers, given, floor, labels, state, stage, fault,
    version, pages, passages, language, added_by, as_of, created_at, changed_at, seen_round
FROM knowledge.documents WHERE tenant = %(tenant)s AND id = ANY(%(ids)s)

-- name: set_stage
UPDATE knowledge.documents SET state = 'reading', stage = %(stage)s, fault = ''
WHERE tenant = %(tenant)s AND id = %(id)s AND version = %(version)s AND state IN ('waiting', 'reading')

-- name: finish_document
UPDATE knowledge.documents SET state = 'ready', stage = '', fault = '', pages = %(pages)s, passages = %(passages)s,
    language = %(language)s, labels = %(labels)s, facts = %(facts)s, as_of = %(as_of)s, media_type = %(media_type)s
WHERE tenant = %(tenant)s AND id = %(id)s AND version = %(version)s

-- name: fail_document
UPDATE knowledge.documents SET state = 'failed', fault = %(fault)s
WHERE tenant = %(tenant)s AND id = %(id)s AND version = %(version)s

-- name: retry_document
UPDATE knowledge.documents SET state = 'waiting', stage = '', fault = '', version = version + 1
WHERE tenant = %(tenant)s AND id = %(id)s

-- name: set_access
UPDATE knowledge.documents SET readers = %(readers)s, given = %(given)s, floor = %(floor)s, labels = %(labels)s
WHERE tenant = %(tenant)s AND id = %(id)s

-- name: mark_seen
UPDATE knowledge.documents SET seen_round = %(round)s WHERE tenant = %(tenant)s AND id = %(id)s

-- name: mark_all_seen
UPDATE knowledge.documents SET seen_round = %(round)s WHERE tenant = %(tenant)s AND id = ANY(%(ids)s)

-- name: held
SELECT id, ref, revision, readers, given FROM knowledge.documents
WHERE tenant = %(tenant)s AND collection = %(collection)s AND source = %(source)s AND ref = ANY(%(refs)s::bytea[])

-- name: note_fetched
UPDATE knowledge.documents SET revision = %(revision)s, facts = %(facts)s, seen_round = %(round)s,
    fault = CASE WHEN state = 'ready' THEN '' ELSE fault END
WHERE tenant = %(tenant)s AND id = %(id)s

-- name: set_fault
UPDATE knowledge.documents SET fault = %(fault)s, seen_round = %(round)s WHERE tenant = %(tenant)s AND id = %(id)s

-- name: floors
SELECT DISTINCT collection, given, floor FROM knowledge.documents WHERE tenant = %(tenant)s

-- name: with_floor
SELECT id FROM knowledge.documents
WHERE tenant = %(tenant)s AND collection = %(collection)s AND given = %(given)s AND floor = %(floor)s ORDER BY id LIMIT 100

-- name: delete_document
DELETE FROM knowledge.documents WHERE tenant = %(tenant)s AND id = %(id)s

-- name: delete_unseen
-- Some of the documents that a pass did not see.
DELETE FROM knowledge.documents WHERE tenant = %(tenant)s AND id IN (
    SELECT id FROM knowledge.documents
    WHERE tenant = %(tenant)s AND source = %(source)s AND seen_round < %(round)s LIMIT 100
)

-- name: delete_orphans
-- Some of the documents of collections and sources that are no longer declared, and of vector stores that are gone.
DELETE FROM knowledge.documents WHERE tenant = %(tenant)s AND id IN (
    SELECT id FROM knowledge.documents d WHERE tenant = %(tenant)s AND (
        NOT EXISTS (SELECT FROM knowledge.collections c WHERE c.tenant = d.tenant AND c.id = d.collection)
        AND NOT EXISTS (SELECT FROM knowledge.vector_stores s WHERE s.tenant = d.tenant AND s.id = d.collection)
        OR source IS NOT NULL AND NOT EXISTS (
            SELECT FROM knowledge.sources s
            WHERE s.tenant = d.tenant AND s.id = d.source AND s.spec->>'collection' = d.collection
        )
    ) LIMIT 100
)

-- name: languages
SELECT DISTINCT language FROM knowledge.documents WHERE tenant = %(tenant)s AND collection = ANY(%(collections)s)
ORDER BY language LIMIT 40

-- name: passages_of
SELECT p.number, b.body FROM knowledge.passages p JOIN knowledge.bodies b ON b.tenant = p.tenant AND b.passage = p.id
WHERE p.tenant = %(tenant)s AND p.document = %(document)s ORDER BY p.number

-- name: standing_of_reader
-- As standing, by labels, of the documents with a reader among these entries.
SELECT collection, labels, count(*) AS documents, coalesce(sum(passages), 0) AS passages,
    count(*) FILTER (WHERE state IN ('waiting', 'reading')) AS waiting, count(*) FILTER (WHERE state = 'failed') AS failed,
    coalesce(sum(size_bytes), 0)::bigint AS size_bytes, min(as_of) FILTER (WHERE state = 'ready') AS oldest,
    max(changed_at) AS changed_at
FROM knowledge.documents WHERE tenant = %(tenant)s AND readers && %(entries)s::text[] GROUP BY collection, labels

-- name: standing
-- How the documents of each collection stand.
SELECT collection, count(*) AS documents, coalesce(sum(passages), 0) AS passages,
    count(*) FILTER (WHERE state IN ('waiting', 'reading')) AS waiting, count(*) FILTER (WHERE state = 'failed') AS failed,
    coalesce(sum(size_bytes), 0)::bigint AS size_bytes, min(as_of) FILTER (WHERE state = 'ready') AS oldest,
    max(changed_at) AS changed_at
FROM knowledge.documents WHERE tenant = %(tenant)s GROUP BY collection

-- name: syncs
SELECT source, cursor, round, begun_at, ended_at, due_at, fault, found, changed, removed, failed, spec
FROM knowledge.syncs WHERE tenant = %(tenant)s

-- name: lock_sources
-- One worker at a time begins and ends passes of a tenant.
SELECT pg_advisory_xact_lock(hashtextextended('knowledge/sources/' || %(tenant)s, 0))

-- name: begin_sync
INSERT INTO knowledge.syncs (tenant, source, round, begun_at, due_at, spec)
VALUES (%(tenant)s, %(source)s, 1, %(now)s, %(now)s, %(spec)s)
ON CONFLICT (tenant, source) DO UPDATE SET round = knowledge.syncs.round + 1, begun_at = EXCLUDED.begun_at, ended_at = NULL,
    cursor = CASE WHEN %(is_full)s THEN '' ELSE knowledge.syncs.cursor END, spec = EXCLUDED.spec, fault = '', found = 0,
    changed = 0, removed = 0, failed = 0
RETURNING round, cursor = '' AS is_full

-- name: hold_sync
-- Keeps another pass from beginning until the transaction ends.
SELECT cursor FROM knowledge.syncs WHERE tenant = %(tenant)s AND source = %(source)s AND round = %(round)s
FOR NO KEY UPDATE

-- name: note_sync
UPDATE knowledge.syncs SET cursor = coalesce(%(cursor)s, cursor), found = found + %(found)s,
    changed = changed + %(changed)s, removed = removed + %(removed)s, failed = failed + %(failed)s, fault = %(fault)s
WHERE tenant = %(tenant)s AND source = %(source)s AND round = %(round)s

-- name: end_sync
UPDATE knowledge.syncs SET ended_at = %(now)s, due_at = %(due_at)s, fault = %(fault)s
WHERE tenant = %(tenant)s AND source = %(source)s AND round = %(round)s

-- name: forget_sync
-- The row stays, so that rounds of a source that comes back have other numbers.
UPDATE knowledge.syncs SET cursor = '', spec = '', fault = '', round = round + 1, ended_at = now()
WHERE tenant = %(tenant)s AND source = %(source)s

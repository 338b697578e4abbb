-- name: add_store
INSERT INTO knowledge.vector_stores (tenant, id, owner, key, facts, floor, expires_days, created_at, active_at, expires_at)
VALUES (%(tenant)s, %(id)s, %(owner)s, %(key)s, %(facts)s, %(floor)s, %(expires_days)s, %(created_at)s, %(active_at)s,
    %(expires_at)s)

-- name: store
SELECT id, owner, key, facts, floor, expires_days, created_at, active_at, expires_at FROM knowledge.vector_stores
WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s

-- name: lock_store
-- One file after another is added to a store, so that no two exceed a limit together.
SELECT id, owner, key, facts, floor, expires_days, created_at, active_at, expires_at FROM knowledge.vector_stores
WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s FOR NO KEY UPDATE

-- name: stores_of
SELECT id, owner, key, facts, floor, expires_days, created_at, active_at, expires_at FROM knowledge.vector_stores
WHERE tenant = %(tenant)s AND owner = %(owner)s ORDER BY id DESC

-- name: open_stores
-- Those of some ids that have not expired.
SELECT id, owner, key, facts, floor, expires_days, created_at, active_at, expires_at FROM knowledge.vector_stores
WHERE tenant = %(tenant)s AND id = ANY(%(ids)s) AND (expires_at IS NULL OR expires_at > %(now)s)

-- name: count_stores
SELECT count(*) FROM knowledge.vector_stores WHERE tenant = %(tenant)s AND owner = %(owner)s

-- name: change_store
UPDATE knowledge.vector_stores
SET facts = %(facts)s, expires_days = %(expires_days)s, active_at = %(active_at)s, expires_at = %(expires_at)s
WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s

-- name: note_use
UPDATE knowledge.vector_stores SET active_at = %(now)s, expires_at = %(now)s + make_interval(days => expires_days)
WHERE tenant = %(tenant)s AND id = ANY(%(ids)s) AND active_at < %(now)s - interval '1 minute'
    AND (expires_at IS NULL OR expires_at > %(now)s)

-- name: delete_store
DELETE FROM knowledge.vector_stores WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s

-- name: delete_batches
DELETE FROM knowledge.file_batches WHERE tenant = %(tenant)s AND collection = %(collection)s

-- name: expired_stores
SELECT id FROM knowledge.vector_stores WHERE tenant = %(tenant)s AND expires_at <= %(before)s ORDER BY id LIMIT 1000

-- name: delete_abandoned
-- Those whose owner is not among the registered principals. The sweep then deletes their documents.
DELETE FROM knowledge.vector_stores
WHERE tenant = %(tenant)s AND active_at < %(before)s AND NOT owner = ANY(%(owners)s::text[])

-- name: delete_expired
DELETE FROM knowledge.vector_stores WHERE tenant = %(tenant)s AND expires_at <= %(before)s

-- name: delete_orphan_batches
DELETE FROM knowledge.file_batches b WHERE tenant = %(tenant)s
    AND NOT EXISTS (SELECT FROM knowledge.vector_stores s WHERE s.tenant = b.tenant AND s.id = b.collection)
    AND NOT EXISTS (SELECT FROM knowledge.collections c WHERE c.tenant = b.tenant AND c.id = b.collection)

-- name: delete_some
-- A part of the documents of a store, so that no statement takes long.
DELETE FROM knowledge.documents WHERE tenant = %(tenant)s AND id IN (
    SELECT id FROM knowledge.documents WHERE tenant = %(tenant)s AND collection = %(collection)s LIMIT 100
)

-- name: kept
-- What the private stores of a principal hold.
SELECT count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS size_bytes
FROM knowledge.documents d JOIN knowledge.vector_stores s ON s.tenant = d.tenant AND s.id = d.collection
WHERE d.tenant = %(tenant)s AND s.owner = %(owner)s

-- name: counts
-- The documents of collections by their state, for somebody with these entries; null stands for all.
SELECT d.collection, count(*) FILTER (WHERE state IN ('waiting', 'reading')) AS in_progress,
    count(*) FILTER (WHERE state = 'ready') AS completed,
    count(*) FILTER (WHERE state = 'failed' AND f.is_cancelled IS NOT TRUE) AS failed,
    count(*) FILTER (WHERE state = 'failed' AND f.is_cancelled) AS cancelled, count(*) AS total,
    coalesce(sum(size_bytes), 0)::bigint AS size_bytes
FROM knowledge.documents d LEFT JOIN knowledge.store_files f ON f.tenant = d.tenant AND f.document = d.id
WHERE d.tenant = %(tenant)s AND d.collection = ANY(%(collections)s) AND (%(batch)s::text IS NULL OR f.batch = %(batch)s)
    AND (%(entries)s::text[] IS NULL OR d.readers && %(entries)s::text[])
GROUP BY d.collection

-- name: made_at
SELECT id, updated_at AS at FROM knowledge.collections WHERE tenant = %(tenant)s AND id = ANY(%(ids)s)

-- name: add_file
INSERT INTO knowledge.store_files (tenant, document, collection, file, attributes, batch)
VALUES (%(tenant)s, %(document)s, %(collection)s, %(file)s, %(attributes)s, %(batch)s)

-- name: file
-- By the id of its file, or of its document if it came without one.
SELECT d.id AS document, f.file, f.attributes, coalesce(f.is_cancelled, false) AS is_cancelled, f.batch
FROM knowledge.documents d LEFT JOIN knowledge.store_files f ON f.tenant = d.tenant AND f.document = d.id
WHERE d.tenant = %(tenant)s AND d.collection = %(collection)s AND (f.file = %(id)s OR f.file IS NULL AND d.id = %(id)s)

-- name: files
-- The files of a collection for somebody with these entries; the newest first.
SELECT d.id AS document, f.file, f.attributes, coalesce(f.is_cancelled, false) AS is_cancelled, f.batch
FROM knowledge.documents d LEFT JOIN knowledge.store_files f ON f.tenant = d.tenant AND f.document = d.id
WHERE d.tenant = %(tenant)s AND d.collection = %(collection)s AND (%(batch)s::text IS NULL OR f.batch = %(batch)s)
    AND (%(entries)s::text[] IS NULL OR d.readers && %(entries)s::text[])
    AND (%(states)s::text[] IS NULL OR d.state = ANY(%(states)s::text[]))
    AND (%(is_cancelled)s::boolean IS NULL OR coalesce(f.is_cancelled, false) = %(is_cancelled)s)
    AND (%(before)s::text IS NULL OR d.id < %(before)s) AND (%(after)s::text IS NULL OR d.id > %(after)s)
ORDER BY d.id DESC LIMIT %(limit)s

-- name: oldest_files
-- As `files`, the oldest first.
SELECT d.id AS document, f.file, f.attributes, coalesce(f.is_cancelled, false) AS is_cancelled, f.batch
FROM knowledge.documents d LEFT JOIN knowledge.store_files f ON f.tenant = d.tenant AND f.document = d.id
WHERE d.tenant = %(tenant)s AND d.collection = %(collection)s AND (%(batch)s::text IS NULL OR f.batch = %(batch)s)
    AND (%(entries)s::text[] IS NULL OR d.readers && %(entries)s::text[])
    AND (%(states)s::text[] IS NULL OR d.state = ANY(%(states)s::text[]))
    AND (%(is_cancelled)s::boolean IS NULL OR coalesce(f.is_cancelled, false) = %(is_cancelled)s)
    AND (%(before)s::text IS NULL OR d.id < %(before)s) AND (%(after)s::text IS NULL OR d.id > %(after)s)
ORDER BY d.id LIMIT %(limit)s

-- name: files_of
SELECT document, file, attributes, is_cancelled, batch FROM knowledge.store_files
WHERE tenant = %(tenant)s AND document = ANY(%(documents)s)

-- name: described
-- The files of collections that have attributes, with the keys that seal them.
SELECT f.document, f.attributes, d.key, d.collection
FROM knowledge.store_files f JOIN knowledge.documents d ON d.tenant = f.tenant AND d.id = f.document
WHERE f.tenant = %(tenant)s AND f.collection = ANY(%(collections)s) AND f.attributes IS NOT NULL AND d.state = 'ready'
ORDER BY f.document LIMIT %(limit)s

-- name: set_attributes
-- A document that came without a file has the id of the document as that of its file.
INSERT INTO knowledge.store_files (tenant, document, collection, file, attributes)
VALUES (%(tenant)s, %(document)s, %(collection)s, %(document)s, %(attributes)s)
ON CONFLICT (tenant, document) DO UPDATE SET attributes = EXCLUDED.attributes

-- name: copies_of_file
SELECT f.document AS id FROM knowledge.store_files f
    JOIN knowledge.vector_stores s ON s.tenant = f.tenant AND s.id = f.collection
WHERE f.tenant = %(tenant)s AND f.file = %(file)s AND s.owner = %(owner)s

-- name: add_batch
INSERT INTO knowledge.file_batches (tenant, id, collection, created_at)
VALUES (%(tenant)s, %(id)s, %(collection)s, %(now)s)

-- name: batch
SELECT id, collection, created_at, cancelled_at FROM knowledge.file_batches
WHERE tenant = %(tenant)s AND collection = %(collection)s AND id = %(id)s

-- name: cancel_batch
UPDATE knowledge.file_batches SET cancelled_at = %(now)s
WHERE tenant = %(tenant)s AND collection = %(collection)s AND id = %(id)s AND cancelled_at IS NULL

-- name: cancel_files
-- Those of a batch that are not read yet. A new version ends the run that reads one.
WITH cancelled AS (
    UPDATE knowledge.documents SET state = 'failed', stage = '', fault = 'its batch was cancelled', version = version + 1
    WHERE tenant = %(tenant)s AND state IN ('waiting', 'reading') AND id IN (
        SELECT document FROM knowledge.store_files WHERE tenant = %(tenant)s AND batch = %(batch)s
    )
    RETURNING id
)
UPDATE knowledge.store_files SET is_cancelled = true
WHERE tenant = %(tenant)s AND document IN (SELECT id FROM cancelled)

-- name: add
INSERT INTO knowledge.questions (tenant, id, collection, asker, key, text, labels, state, record, asked_at)
VALUES (%(tenant)s, %(id)s, %(collection)s, %(asker)s, %(key)s, %(text)s, %(labels)s, 'open', %(record)s, %(asked_at)s)

-- name: question
SELECT id, collection, asker, key, text, reply, labels, state, record, expert, document, asked_at, ended_at
FROM knowledge.questions WHERE tenant = %(tenant)s AND id = %(id)s FOR UPDATE

-- name: questions
-- Those of these collections, and those of the asker; the newest first.
SELECT id, collection, asker, key, text, reply, labels, state, record, expert, document, asked_at, ended_at
FROM knowledge.questions
WHERE tenant = %(tenant)s AND (collection = ANY(%(collections)s) OR asker = %(asker)s)
    AND (%(state)s::text IS NULL OR state = %(state)s) AND (%(before)s::text IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s

-- name: count_open
SELECT count(*) FROM knowledge.questions WHERE tenant = %(tenant)s AND asker = %(asker)s AND state = 'open'

-- name: end
UPDATE knowledge.questions SET state = %(state)s, reply = %(reply)s, labels = %(labels)s, expert = %(expert)s,
    document = %(document)s, ended_at = %(now)s
WHERE tenant = %(tenant)s AND id = %(id)s AND state = 'open'

-- name: rate
INSERT INTO knowledge.ratings (tenant, record, rater, collections, is_right, rated_at)
VALUES (%(tenant)s, %(record)s, %(rater)s, %(collections)s, %(is_right)s, %(now)s)
ON CONFLICT (tenant, record, rater) DO UPDATE SET is_right = EXCLUDED.is_right, rated_at = EXCLUDED.rated_at

-- name: ratings
SELECT count(*) FILTER (WHERE is_right) AS right, count(*) FILTER (WHERE NOT is_right) AS wrong
FROM knowledge.ratings WHERE tenant = %(tenant)s AND collections @> ARRAY[%(collection)s::text] AND rated_at >= %(since)s

-- name: quality
-- How fresh the documents of a collection are, and how its questions stand.
SELECT
    (SELECT count(*) FROM knowledge.documents d WHERE d.tenant = %(tenant)s AND d.collection = %(collection)s
        AND d.state = 'ready') AS documents,
    (SELECT count(*) FROM knowledge.documents d WHERE d.tenant = %(tenant)s AND d.collection = %(collection)s
        AND d.state = 'ready' AND d.as_of < %(stale_before)s::timestamptz) AS stale,
    (SELECT count(*) FROM knowledge.documents d WHERE d.tenant = %(tenant)s AND d.collection = %(collection)s
        AND d.state = 'failed') AS failed,
    (SELECT count(*) FROM knowledge.questions q WHERE q.tenant = %(tenant)s AND q.collection = %(collection)s
        AND q.state = 'open') AS open_questions,
    (SELECT count(*) FROM knowledge.questions q WHERE q.tenant = %(tenant)s AND q.collection = %(collection)s
        AND q.state = 'answered' AND q.ended_at >= %(since)s) AS answered_questions

-- name: readable
-- How many ready documents of each collection have a reader among these entries, by labels.
SELECT collection, labels, count(*) AS documents, count(*) FILTER (WHERE readers && %(entries)s::text[]) AS readable
FROM knowledge.documents WHERE tenant = %(tenant)s AND state = 'ready' GROUP BY collection, labels

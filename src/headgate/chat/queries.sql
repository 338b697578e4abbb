-- name: add_conversation
INSERT INTO chat.conversations
    (tenant, id, person, model, use_case, key, title, system, labels, created_at, changed_at)
VALUES (%(tenant)s, %(id)s, %(person)s, %(model)s, %(use_case)s, %(key)s, %(title)s, %(system)s, %(labels)s, %(now)s,
    %(now)s)

-- name: get_conversation
SELECT id, person, model, use_case, key, title, system, shown, labels, created_at, changed_at
FROM chat.conversations WHERE tenant = %(tenant)s AND id = %(id)s

-- name: lock_conversation
SELECT id, person, model, use_case, key, title, system, shown, labels, created_at, changed_at
FROM chat.conversations WHERE tenant = %(tenant)s AND id = %(id)s FOR UPDATE

-- name: list_conversations
SELECT id, person, model, use_case, key, title, system, shown, labels, created_at, changed_at
FROM chat.conversations
WHERE tenant = %(tenant)s AND person = %(person)s
    AND (%(before)s::timestamptz IS NULL OR (changed_at, id) < (%(before)s, %(before_id)s))
ORDER BY changed_at DESC, id DESC LIMIT %(limit)s

-- name: conversations_of
SELECT id, person, model, use_case, key, title, system, shown, labels, created_at, changed_at
FROM chat.conversations WHERE tenant = %(tenant)s AND id = ANY (%(ids)s)

-- name: list_shared
SELECT c.id, c.person, c.model, c.use_case, c.key, c.title, c.system, c.shown, c.labels, c.created_at, c.changed_at
FROM chat.readers r
JOIN chat.conversations c ON c.tenant = r.tenant AND c.id = r.conversation
WHERE r.tenant = %(tenant)s AND r.reader = %(reader)s
ORDER BY r.shared_at DESC, r.conversation DESC LIMIT %(limit)s

-- name: change_conversation
UPDATE chat.conversations
SET model = %(model)s, use_case = %(use_case)s, title = %(title)s, system = %(system)s, shown = %(shown)s,
    labels = %(labels)s, changed_at = %(changed_at)s
WHERE tenant = %(tenant)s AND id = %(id)s

-- name: show_branch
UPDATE chat.conversations SET shown = %(shown)s WHERE tenant = %(tenant)s AND id = %(id)s

-- name: delete_conversation
DELETE FROM chat.conversations WHERE tenant = %(tenant)s AND id = %(id)s

-- name: add_turn
INSERT INTO chat.turns (tenant, conversation, id, parent, role, state, body, record, labels, said_at)
VALUES (%(tenant)s, %(conversation)s, %(id)s, %(parent)s, %(role)s, %(state)s, %(body)s, %(record)s, %(labels)s,
    %(said_at)s)

-- name: count_turns
SELECT (SELECT count(*) FROM chat.turns WHERE tenant = %(tenant)s AND conversation = %(conversation)s)
    + (SELECT count(*) FROM chat.answering
        WHERE tenant = %(tenant)s AND conversation = %(conversation)s AND id <> %(but)s)

-- name: turns_of
SELECT id, parent, role, state, body, record, labels, said_at FROM chat.turns
WHERE tenant = %(tenant)s AND conversation = %(conversation)s
ORDER BY id LIMIT %(limit)s

-- name: some_turns
SELECT t.id, t.parent, t.role, t.state, t.body, t.record, t.labels, t.said_at FROM chat.turns t
JOIN unnest(%(conversations)s::text[], %(ids)s::text[]) AS wanted (conversation, id)
    ON t.conversation = wanted.conversation AND t.id = wanted.id
WHERE t.tenant = %(tenant)s

-- name: put_entry
INSERT INTO chat.entries (tenant, person, conversation, id, words)
VALUES (%(tenant)s, %(person)s, %(conversation)s, %(id)s, %(words)s)
ON CONFLICT (tenant, conversation, id) DO UPDATE SET words = EXCLUDED.words

-- name: look_for
-- The words are in the table's policy, see migration 0150. A plan for these words, as a common word is found by going
-- through the newest entries, and a rare one by its index.
SELECT set_config('app.chat_words', %(words)s, true), set_config('plan_cache_mode', 'force_custom_plan', true)

-- name: search
SELECT id, conversation FROM chat.entries
WHERE tenant = %(tenant)s AND person = %(person)s AND (%(before)s::text IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s

-- name: add_reader
INSERT INTO chat.readers (tenant, conversation, reader, shared_at)
VALUES (%(tenant)s, %(conversation)s, %(reader)s, %(now)s)
ON CONFLICT DO NOTHING

-- name: remove_reader
DELETE FROM chat.readers WHERE tenant = %(tenant)s AND conversation = %(conversation)s AND reader = %(reader)s

-- name: readers_of
SELECT reader, shared_at FROM chat.readers
WHERE tenant = %(tenant)s AND conversation = %(conversation)s ORDER BY reader

-- name: begin_answer
INSERT INTO chat.answering (tenant, conversation, id, question, body, labels, begun_at, written_at)
VALUES (%(tenant)s, %(conversation)s, %(id)s, %(question)s, %(body)s, %(labels)s, %(now)s, %(now)s)

-- name: write_answer
UPDATE chat.answering SET body = %(body)s, record = %(record)s, labels = %(labels)s, written_at = %(now)s
WHERE tenant = %(tenant)s AND conversation = %(conversation)s AND id = %(id)s
RETURNING is_stopping

-- name: answers_of
SELECT id, question, body, record, labels, begun_at, written_at FROM chat.answering
WHERE tenant = %(tenant)s AND conversation = %(conversation)s ORDER BY id LIMIT 50

-- name: stop_answers
UPDATE chat.answering SET is_stopping = true
WHERE tenant = %(tenant)s AND conversation = %(conversation)s

-- name: end_answer
DELETE FROM chat.answering WHERE tenant = %(tenant)s AND conversation = %(conversation)s AND id = %(id)s

-- name: conversation_of_record
-- Reads the person's own turns, without their bodies. Only the page of one record asks.
SELECT c.id FROM chat.conversations c
JOIN chat.turns t ON t.tenant = c.tenant AND t.conversation = c.id
WHERE c.tenant = %(tenant)s AND c.person = %(person)s AND t.record = %(record)s
LIMIT 1

-- name: keep_answer
INSERT INTO chat.kept_answers (tenant, id, owner, previous, key, body, labels, floor, kept_at, expires_at)
VALUES (%(tenant)s, %(id)s, %(owner)s, %(previous)s, %(key)s, %(body)s, %(labels)s, %(floor)s, %(now)s, %(expires_at)s)

-- name: thread_of
-- One row by its key for each answer of the thread, oldest first.
WITH RECURSIVE thread AS (
    SELECT id, previous, key, body, labels, floor, 1 AS depth FROM chat.kept_answers
    WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s AND expires_at > %(now)s
    UNION ALL
    SELECT a.id, a.previous, a.key, a.body, a.labels, a.floor, t.depth + 1 FROM thread t
    JOIN chat.kept_answers a ON a.id = t.previous
    WHERE a.tenant = %(tenant)s AND a.owner = %(owner)s AND a.expires_at > %(now)s AND t.depth < %(limit)s
)
SELECT id, previous, key, body, labels, floor FROM thread ORDER BY depth DESC

-- name: extend_answers
UPDATE chat.kept_answers SET expires_at = %(expires_at)s WHERE tenant = %(tenant)s AND id = ANY (%(ids)s)

-- name: forget_answer
DELETE FROM chat.kept_answers WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s

-- name: forget_old_answers
DELETE FROM chat.kept_answers WHERE tenant = %(tenant)s AND expires_at <= %(now)s

-- name: erase_answers
DELETE FROM chat.kept_answers WHERE tenant = %(tenant)s AND kept_at < %(before)s

-- name: keep_answer_items
INSERT INTO chat.answer_items (tenant, id, answer)
SELECT %(tenant)s, unnest(%(items)s::text[]), %(answer)s
ON CONFLICT DO NOTHING

-- name: answers_with
SELECT id, previous, key, body, labels, floor FROM chat.kept_answers
WHERE tenant = %(tenant)s AND owner = %(owner)s AND expires_at > %(now)s AND id IN (
    SELECT answer FROM chat.answer_items WHERE tenant = %(tenant)s AND id = ANY (%(items)s)
    UNION SELECT unnest(%(answers)s::text[]) COLLATE "C"
)
LIMIT %(limit)s

-- name: add_kept_conversation
INSERT INTO chat.kept_conversations (tenant, id, owner, key, metadata, labels, floor, created_at, expires_at)
VALUES (%(tenant)s, %(id)s, %(owner)s, %(key)s, %(metadata)s, %(labels)s, %(floor)s, %(created_at)s, %(expires_at)s)

-- name: find_kept_conversation
SELECT id, key, metadata, labels, floor, next, size_bytes, holder, held_until, created_at FROM chat.kept_conversations
WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s AND expires_at > %(now)s

-- name: lock_kept_conversation
SELECT id, key, metadata, labels, floor, next, size_bytes, holder, held_until, created_at FROM chat.kept_conversations
WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s AND expires_at > %(now)s FOR UPDATE

-- name: change_kept_conversation
UPDATE chat.kept_conversations
SET metadata = %(metadata)s, labels = %(labels)s, floor = %(floor)s, next = %(next)s, size_bytes = %(size_bytes)s,
    expires_at = %(expires_at)s
WHERE tenant = %(tenant)s AND id = %(id)s

-- name: hold_kept_conversation
UPDATE chat.kept_conversations SET holder = %(holder)s, held_until = %(until)s, expires_at = %(expires_at)s
WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s AND expires_at > %(now)s
    AND (holder IS NULL OR held_until <= %(now)s)

-- name: hold_on
UPDATE chat.kept_conversations SET held_until = %(until)s
WHERE tenant = %(tenant)s AND holder = ANY (%(holders)s)

-- name: release_kept_conversation
UPDATE chat.kept_conversations SET holder = NULL, held_until = NULL
WHERE tenant = %(tenant)s AND id = %(id)s AND holder = %(holder)s

-- name: forget_kept_conversation
DELETE FROM chat.kept_conversations WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s

-- name: forget_old_conversations
DELETE FROM chat.kept_conversations WHERE tenant = %(tenant)s AND expires_at <= %(now)s

-- name: add_kept_items
INSERT INTO chat.kept_items (tenant, conversation, place, id, body, kept_at)
SELECT %(tenant)s, %(conversation)s, %(place)s + item.at, item.id, item.body, %(now)s
FROM unnest(%(ids)s::text[], %(bodies)s::bytea[]) WITH ORDINALITY AS item (id, body, at)
ON CONFLICT DO NOTHING

-- name: kept_items_of
SELECT id, body FROM chat.kept_items
WHERE tenant = %(tenant)s AND conversation = %(conversation)s ORDER BY place LIMIT %(limit)s

-- name: remove_kept_item
DELETE FROM chat.kept_items WHERE tenant = %(tenant)s AND conversation = %(conversation)s AND id = %(id)s

-- name: erase_kept_items
DELETE FROM chat.kept_items WHERE tenant = %(tenant)s AND kept_at < %(before)s

-- name: erase_conversations
DELETE FROM chat.kept_conversations c WHERE c.tenant = %(tenant)s AND c.created_at < %(before)s
    AND NOT EXISTS (SELECT FROM chat.kept_items i WHERE i.tenant = c.tenant AND i.conversation = c.id)

-- name: count_background
SELECT count(*) FROM chat.background_answers
WHERE tenant = %(tenant)s AND owner = %(owner)s AND state IN ('queued', 'in_progress') AND alive_until > %(now)s

-- name: begin_background
INSERT INTO chat.background_answers
    (tenant, id, owner, key, body, state, labels, alive_until, created_at, expires_at)
VALUES (%(tenant)s, %(id)s, %(owner)s, %(key)s, %(body)s, 'queued', %(labels)s, %(alive_until)s, %(now)s,
    %(expires_at)s)

-- name: find_background
SELECT id, key, body, state, labels, alive_until FROM chat.background_answers
WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s AND expires_at > %(now)s

-- name: move_background
UPDATE chat.background_answers
SET state = %(state)s, body = coalesce(%(body)s, body), labels = %(labels)s, alive_until = %(alive_until)s,
    expires_at = %(expires_at)s
WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s AND state IN ('queued', 'in_progress')

-- name: add_background_events
INSERT INTO chat.background_events (tenant, answer, first, last, body)
VALUES (%(tenant)s, %(answer)s, %(first)s, %(last)s, %(body)s)

-- name: background_events
SELECT first, last, body FROM chat.background_events
WHERE tenant = %(tenant)s AND answer = %(answer)s AND last > %(after)s ORDER BY first LIMIT %(limit)s

-- name: forget_background
DELETE FROM chat.background_answers WHERE tenant = %(tenant)s AND id = %(id)s AND owner = %(owner)s

-- name: forget_old_background
DELETE FROM chat.background_answers WHERE tenant = %(tenant)s AND expires_at <= %(now)s

-- name: erase_background
DELETE FROM chat.background_answers WHERE tenant = %(tenant)s AND created_at < %(before)s

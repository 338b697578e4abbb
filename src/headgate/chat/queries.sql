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
SELECT count(*) FROM chat.turns WHERE tenant = %(tenant)s AND conversation = %(conversation)s

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

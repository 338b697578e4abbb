-- When an answer was kept, so that erasing the content of past days erases it too.

ALTER TABLE chat.kept_answers ADD COLUMN kept_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX kept_answers_by_time ON chat.kept_answers (tenant, kept_at);

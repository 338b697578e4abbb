-- The key that replaces a rotated one, which ends by its `expires_at`.
ALTER TABLE policy.api_keys ADD COLUMN replaced_by text;

-- The others who may have seen the secret: who rotated the key, and who could have opened the session that made it.
ALTER TABLE policy.api_keys ADD COLUMN seen_by text[] NOT NULL DEFAULT '{}';

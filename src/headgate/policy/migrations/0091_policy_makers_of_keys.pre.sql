-- By which key a key was made: whoever holds that one may hold this one. NULL: made in a session, or before this was kept.

ALTER TABLE policy.api_keys ADD COLUMN made_by_key text;

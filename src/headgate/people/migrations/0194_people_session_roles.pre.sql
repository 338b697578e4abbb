-- The roles up to which a session is valid, for sessions that somebody else could have opened; null for any.
ALTER TABLE people.sessions ADD COLUMN roles text[];

-- The roles up to which a link opens a session, for links that somebody else could use; null for any.
ALTER TABLE people.sign_ins ADD COLUMN roles text[];

-- Since when calls skip a deployment that failed several times; null while they do not.

ALTER TABLE gateway.sightings ADD COLUMN unhealthy_since timestamptz;

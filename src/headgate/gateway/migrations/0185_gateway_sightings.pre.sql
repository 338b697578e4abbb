-- The last answer and the last failure of each deployment, as any worker saw it. For people; routing does not use it.
--
-- configuration: a digest of the deployment's address, credential and model. A sighting counts only for that one.

CREATE TABLE gateway.sightings (
    tenant text NOT NULL,
    deployment text NOT NULL,
    configuration text NOT NULL,
    answered_at timestamptz,
    failed_at timestamptz,
    rests_until timestamptz,
    why text NOT NULL DEFAULT '' CHECK (length(why) <= 2000),
    advice text NOT NULL DEFAULT '' CHECK (length(advice) <= 2000),
    PRIMARY KEY (tenant, deployment)
);

SELECT substrate.protect('gateway.sightings');

GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.sightings TO headgate_app;

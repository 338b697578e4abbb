"""Usage: figures of all calls by use case, person, key, model, deployment and outcome, counted from the records."""

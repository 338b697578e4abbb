"""Moving in: turns the configuration of another gateway into a `headgate.toml` and a report."""

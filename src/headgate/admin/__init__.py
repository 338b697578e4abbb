"""The contract of features: verbs, operations, commands, jobs, and the context in which a feature opens."""

"""What a feature says of itself: verbs, operations, commands, jobs, and what it is opened with."""

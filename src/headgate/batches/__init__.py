"""Files and batches of programs: many model calls at once, each through the one pipeline."""

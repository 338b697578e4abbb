"""The ledger: from a worker's journal to a signed checkpoint."""

"""Conversations of people: kept, searched, branched, shared and deleted."""

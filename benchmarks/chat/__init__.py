"""The chat suite: lists and searches over fifty thousand conversations of one person."""

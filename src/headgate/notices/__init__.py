"""Notices by mail and webhook, from a queue in the database."""

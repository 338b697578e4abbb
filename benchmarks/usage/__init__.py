"""Figures of usage, over ten million records."""

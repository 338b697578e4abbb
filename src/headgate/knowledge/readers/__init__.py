"""Readers of formats: each a function from the bytes of a file to its blocks of text."""

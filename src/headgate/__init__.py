"""Headgate: the one gate through which an organisation uses language models."""

__version__ = "0.1.0"

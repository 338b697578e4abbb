"""Fakes that ship with the product: provider simulator, clock, people."""

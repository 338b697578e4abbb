"""Fakes and test tools that ship with the product."""

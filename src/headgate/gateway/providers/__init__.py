"""Providers, one file each: dialect, address, credentials and capability profile."""

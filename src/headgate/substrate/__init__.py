"""Adapters to the outside world: database, disk, network, clock, settings and logs."""

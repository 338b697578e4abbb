"""Measures Headgate beside its peers; `python -m benchmarks [SUITE ...] [--quick]`."""

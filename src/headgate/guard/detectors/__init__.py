"""Detectors, one file each; loaded as extensions, never imported by name."""

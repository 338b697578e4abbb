"""The built-in connectors, one file each."""

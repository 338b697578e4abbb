"""The outside world behind small async classes."""

"""The list of activity, over a million records."""

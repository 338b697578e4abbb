"""How fast content is scanned, and how much of what should be found is found."""

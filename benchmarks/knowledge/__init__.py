"""The index of knowledge: how good its rankings are, and how fast it is."""

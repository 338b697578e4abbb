"""The kernel: shared types, lattice, pipeline, ports and error tree. Standard library only."""

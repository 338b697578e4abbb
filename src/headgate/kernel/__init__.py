"""The kernel: the shared words, the lattice, the pipeline, the ports, the error tree. Standard library only."""

"""The admin API under `/api`: what the console, the command line and declarative files use, and nothing else."""

"""The admin API under `/api`, for the console, the command line and declarative files."""

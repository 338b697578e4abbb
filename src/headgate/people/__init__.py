"""People: sign-in, sessions, the register of people and services, and everybody's own account."""

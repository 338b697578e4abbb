from __future__ import annotations

from headgate.testing.postgres import fresh_database, postgres

__all__ = ["fresh_database", "postgres"]

"""Addresses of PostgreSQL databases, with login."""

from __future__ import annotations

from dataclasses import dataclass, field

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from headgate.kernel.errors import Invalid


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """One login at one database. Its `repr` hides the password.

    `conninfo` is libpq's connection string with the password: pass it to psycopg, never to a log or to argv.
    Source: PostgreSQL 18 documentation, 32.1.1 Connection Strings.
    """

    host: str
    port: int
    user: str
    database: str
    conninfo: str = field(repr=False)

    @classmethod
    def parse(cls, conninfo: str) -> DatabaseAddress:
        """Parse a `postgresql://` URL or a `key=value` connection string.

        Raises:
            Invalid: it is neither. The message does not repeat it, because it may contain a password.
        """
        try:
            words = conninfo_to_dict(conninfo)
            port = int(words.get("port") or 5432)
            if not words:
                raise ValueError("empty")
        except (ProgrammingError, ValueError):
            raise Invalid(
                "The database URL is not a PostgreSQL connection string: write it as postgresql://user:password@host:port/database.",
                param="HEADGATE_DATABASE_URL",
            ) from None  # the library's message quotes the string
        user = str(words.get("user") or "postgres")
        return cls(
            host=str(words.get("host") or words.get("hostaddr") or "localhost"),
            port=port,
            user=user,
            database=str(words.get("dbname") or user),
            conninfo=conninfo,
        )

    @classmethod
    def at(cls, host: str, port: int, *, user: str, password: str, database: str) -> DatabaseAddress:
        """Build an address from its parts."""
        conninfo = make_conninfo(host=host, port=port, user=user, password=password, dbname=database)
        return cls(host, port, user, database, conninfo)

    def having(self, **words: str) -> DatabaseAddress:
        """Return a copy with some connection keywords (`user`, `password`, `dbname`, `options`, ...) replaced."""
        return DatabaseAddress.parse(make_conninfo(self.conninfo, **words))

    def option(self, name: str, value: str) -> DatabaseAddress:
        """Return a copy with one more server setting for its sessions, such as `role` or `statement_timeout`."""
        before = str(conninfo_to_dict(self.conninfo).get("options") or "")
        # The server splits `options` at spaces; a backslash escapes a space in a value.
        escaped = value.replace("\\", "\\\\").replace(" ", "\\ ")
        return self.having(options=f"{before} -c {name}={escaped}".strip())

"""Database addresses of each kind of process, for the embedded or an external server."""

from __future__ import annotations

from pathlib import Path

from headgate.kernel.errors import Unavailable
from headgate.substrate.database_address import DatabaseAddress
from headgate.substrate.roles import Role, acting_address, login_address
from headgate.substrate.settings import Settings


def address_for(role: Role, settings: Settings) -> DatabaseAddress:
    """Return the database address for a process with this role.

    Raises:
        Unavailable: the embedded server was never started on this data folder.
        Invalid: the configured URL is malformed.
    """
    if settings.database_url is not None:
        return acting_address(DatabaseAddress.parse(settings.database_url), role)
    server = DatabaseAddress.at("127.0.0.1", _port(settings.data), user=role, password="", database="headgate")
    return login_address(server, role, settings.data / "secrets")


def _port(data: Path) -> int:
    try:
        return int((data / "postgres.port").read_text())
    except (OSError, ValueError) as error:
        raise Unavailable(f"there is no database in {data} yet; start Headgate on it with `headgate up`") from error

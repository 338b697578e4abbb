"""As whom each process talks to the database: never as the owner, never as somebody that row-level security spares.

The embedded server gives each role a real login with a random password of its own, kept in DATA/secrets: whoever
smuggles SQL into a statement cannot become another role, because there is none that the session belongs to. At a
server of somebody else's we have one login; its sessions start with `role` set. That holds against our own mistakes
but not against smuggled SQL, which can say RESET ROLE: whoever wants more gives each process a URL with a login of
its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import psycopg
from psycopg import sql

from headgate.kernel.errors import Unavailable
from headgate.substrate._secret_files import kept_secret, private_folder
from headgate.substrate.database_address import DatabaseAddress

Role = Literal["headgate_app", "headgate_writer", "headgate_sequencer", "headgate_admin"]
"""Workers · the shipper of the journal (inserts only) · the sequencer of the ledger · who writes configuration."""

ROLES: tuple[Role, ...] = get_args(Role)


async def give_logins(superuser: DatabaseAddress, secrets: Path) -> Mapping[Role, DatabaseAddress]:
    """Let every role log in with the password in its file under `secrets` (made here if missing); their addresses.

    Call it after `migrate` at every start of the embedded server: a restored or exchanged file counts from then on.

    Raises:
        Unavailable: the server is away, or has not been migrated.
    """
    private_folder(secrets)
    passwords = {role: await asyncio.to_thread(kept_secret, _file(secrets, role)) for role in ROLES}
    try:
        async with await psycopg.AsyncConnection.connect(superuser.conninfo, connect_timeout=10) as connection:
            for role, password in passwords.items():
                # What travels and may be logged is the verifier; the password does not leave us.
                verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
                await connection.execute(
                    sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(role), sql.Literal(verifier.decode())
                    )
                )
    except psycopg.Error as exc:
        raise Unavailable("The database roles got no logins: see the server's log, and start again.") from exc
    return {role: login_address(superuser, role, secrets) for role in ROLES}


def login_address(server: DatabaseAddress, role: Role, secrets: Path) -> DatabaseAddress:
    """Where a process of this role logs in at the embedded server."""
    return server.having(user=role, password=kept_secret(_file(secrets, role)))


def acting_address(external: DatabaseAddress, role: Role) -> DatabaseAddress:
    """Where a process connects at a server of somebody else's, so that its sessions act as this role."""
    return external.option("role", role)


def _file(secrets: Path, role: Role) -> Path:
    return secrets / f"postgres-{role}"

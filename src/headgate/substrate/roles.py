"""Database roles of the processes. No process is the owner, and row-level security applies to all of them.

The embedded server has one login per role, with a random password in DATA/secrets. Injected SQL cannot change the role,
because the login is a member of no other role. At an external server there is one login, and its sessions start with
`role` set. That protects against our own bugs but not against injected SQL, which can run RESET ROLE. For the stronger
protection give each process a URL with its own login.
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
    """Set the password of every role from its file under `secrets`, and return the addresses.

    Creates missing files. Call it after `migrate` at every start of the embedded server, so that a restored or replaced
    file takes effect.

    Raises:
        Unavailable: the server is away, or has not been migrated.
    """
    private_folder(secrets)
    passwords = {role: await asyncio.to_thread(kept_secret, _file(secrets, role)) for role in ROLES}
    try:
        async with await psycopg.AsyncConnection.connect(superuser.conninfo, connect_timeout=10) as connection:
            for role, password in passwords.items():
                # Sends only the SCRAM verifier, which may appear in a log; the password stays here.
                verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
                await connection.execute(
                    sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(role), sql.Literal(verifier.decode())
                    )
                )
    except psycopg.Error as exc:
        raise Unavailable("Setting the logins of the database roles failed: see the server's log and restart.") from exc
    return {role: login_address(superuser, role, secrets) for role in ROLES}


def login_address(server: DatabaseAddress, role: Role, secrets: Path) -> DatabaseAddress:
    """Return the address of a role's login at the embedded server."""
    return server.having(user=role, password=kept_secret(_file(secrets, role)))


def acting_address(external: DatabaseAddress, role: Role) -> DatabaseAddress:
    """Return the address at an external server whose sessions act as this role."""
    return external.option("role", role)


def _file(secrets: Path, role: Role) -> Path:
    return secrets / f"postgres-{role}"

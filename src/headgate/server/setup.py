"""Actions of the operator on the machine: the first key, and sign-in links.

Both run through the pipeline and leave a record. They need no worker, so that they work before the first start and
after a lockout. A user who can read Headgate's secrets is its operator.
"""

from __future__ import annotations

import os
from pathlib import Path

from headgate.admin.callers import MACHINE, AdminCaller
from headgate.admin.commands import Command, Facts, digest_of, summary
from headgate.admin.requests import CONFIGURATION_CHANNEL
from headgate.admin.verbs import SESSION_INVITE
from headgate.assembly import Worker, command_worker
from headgate.features import baseline
from headgate.kernel.action import Resource
from headgate.kernel.errors import Denied, NotFound, Unavailable
from headgate.policy.entities import ADMIN, DEFAULT_TENANT, GETTING_STARTED, OPERATOR
from headgate.policy.parts import Policy
from headgate.policy.service import PolicyService
from headgate.policy.snapshot import SnapshotHolder
from headgate.policy.verbs import KEY_CREATE
from headgate.substrate.addresses import address_for
from headgate.substrate.clock import SystemClock, SystemIds
from headgate.substrate.database import Database
from headgate.substrate.settings import Settings

_FIRST_KEY = {"own": False, "member": True, "days": 0}


async def first_key(settings: Settings) -> None:
    """Make sure at each start that `DATA/admin.key` exists, with mode 0600, and holds a known key.

    Raises:
        Invalid: the file does not hold a key.
        Denied: a rule forbids it or asks for approval.
        Unavailable: the database does not answer, or the file cannot be written.
    """
    path = settings.data / "admin.key"
    secret = path.read_text().strip() if path.exists() else None
    if secret is None or not await _is_known(settings, secret):
        async with command_worker(settings) as at:
            await _make_first_key(at, path, secret)


async def sign_in_link(settings: Settings, *, principal: str = ADMIN, grant: str | None = None) -> str:
    """Return a sign-in link for the console; it works once, within ten minutes.

    Args:
        grant: id of an approval of this action, if a rule asks for one.

    Raises:
        NotFound: no principal has that id.
        Denied: a rule forbids it or asks for approval.
        Unavailable: the database does not answer, or the data folder holds no Headgate.
    """
    refuse_strangers(settings)
    async with command_worker(settings) as at:
        if principal not in at.service(Policy).holder.current.tenants[DEFAULT_TENANT].principals:
            raise NotFound(
                f"nobody is registered as {principal!r}; `headgate apply` registers people", param="principal"
            )
        token = await _invite(at, principal, grant=grant)
    return f"{settings.client_url}/sign-in#token={token}"


async def _is_known(settings: Settings, secret: str) -> bool:
    clock = SystemClock()
    service = PolicyService(baseline=baseline(), holder=SnapshotHolder(clock), clock=clock, ids=SystemIds())
    async with (
        Database(address_for("headgate_admin", settings)) as database,
        database.transaction(tenant=DEFAULT_TENANT) as tx,
    ):
        return await service.is_first_key_known(tx, secret)


async def _make_first_key(at: Worker, path: Path, secret: str | None) -> None:
    async def do(facts: Facts) -> None:
        async with at.platform.administration.transaction(tenant=DEFAULT_TENANT) as tx:
            new = await at.service(Policy).service.ensure_first_key(tx, secret)
            facts["key"] = new.key.id
            # Before the commit: otherwise a crash could lose a key that the database knows.
            if secret is None:
                write_private(path, new.secret)
            await tx.notify(CONFIGURATION_CHANNEL)

    told = summary(channel=MACHINE["channel"], use_case=GETTING_STARTED, roles=ADMIN)
    command = Command(summary=told, arguments=digest_of("first key", secret), do=do)
    await at.pipeline.run(operator(at).action(KEY_CREATE, Resource("key", "new", attributes=_FIRST_KEY), command))


async def _invite(at: Worker, principal: str, *, grant: str | None) -> str:
    async def do(facts: Facts) -> str:
        async with at.platform.administration.transaction(tenant=DEFAULT_TENANT) as tx:
            link = await at.sessions.invite(tx, tenant=DEFAULT_TENANT, principal=principal)
        facts["link"] = link.name
        return link.token

    resource = Resource("session", "new", attributes={"principal": principal})
    command = Command(summary=dict(MACHINE), arguments=digest_of(principal), do=do)
    done = await at.pipeline.run(operator(at, grant).action(SESSION_INVITE, resource, command))
    token: str = done.result
    return token


def operator(at: Worker, grant: str | None = None) -> AdminCaller:
    """Return the operator of this machine as a caller."""
    use_cases = at.service(Policy).holder.current.tenants[DEFAULT_TENANT].use_cases
    return AdminCaller(OPERATOR, use_cases, grant=grant, attributes=MACHINE)


def refuse_strangers(settings: Settings) -> None:
    """Refuse a data folder without Headgate, and root if another user owns the folder."""
    try:
        owner = settings.secrets_folder.stat().st_uid
    except OSError as error:
        raise Unavailable(f"there is no Headgate in {settings.data} yet; start it with `headgate up`") from error
    if os.geteuid() == 0 != owner:
        raise Denied(f"{settings.data} is not yours: run this as the user who runs Headgate (number {owner})")


def write_private(path: Path, text: str) -> None:
    """Write a new file with mode 0600, and sync it to disk."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Unavailable(f"{path} cannot be written ({error.strerror}); make room or choose another --data") from error

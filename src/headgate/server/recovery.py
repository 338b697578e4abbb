"""`headgate recover`: restores the administrator's access after a lockout.

It is an action of the operator with a record. The baseline alone decides about it, under the built-in use case, so
that no policy of the tenant can refuse it. The operator can read Headgate's secrets and could also change the
database; recovery leaves a record.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from headgate.admin.callers import MACHINE
from headgate.admin.commands import Command, Facts, digest_of
from headgate.admin.requests import CONFIGURATION_CHANNEL
from headgate.admin.verbs import ACCESS_RECOVER
from headgate.assembly import Worker, command_worker
from headgate.features import migrations
from headgate.kernel.action import Resource
from headgate.kernel.errors import Conflict
from headgate.policy import store
from headgate.policy.entities import ADMIN, DEFAULT_TENANT, CustomPolicy
from headgate.policy.parts import Policy
from headgate.server.setup import operator, refuse_strangers, write_private
from headgate.substrate.database import Transaction
from headgate.substrate.migrate import migrate
from headgate.substrate.postgres import EmbeddedPostgres
from headgate.substrate.roles import give_logins
from headgate.substrate.settings import Settings


class Recovered(NamedTuple):
    """The result of a recovery.

    Args:
        link: a sign-in link for the administrator; it works once, within ten minutes.
        set_aside: files with the removed policies, which refused administration.
        has_new_key: whether `admin.key` holds a new key, because the old one was invalid.
        record: id of the record.
    """

    link: str
    set_aside: tuple[Path, ...]
    has_new_key: bool
    record: str


async def recover(settings: Settings) -> Recovered:
    """Restore access. A running Headgate takes the change up within seconds.

    Raises:
        Denied: the data folder belongs to another user.
        Unavailable: the folder holds no Headgate, or its database does not answer.
    """
    refuse_strangers(settings)
    async with _database(settings), command_worker(settings, is_baseline_alone=True) as at:
        return await _recover(at)


@asynccontextmanager
async def _database(settings: Settings) -> AsyncGenerator[None]:
    """Use the running database, or start the embedded one for the duration of the block."""
    if settings.database_url is not None:
        yield
        return
    postgres = EmbeddedPostgres(settings.data)
    try:
        address = await postgres.start()
    except Conflict:  # Headgate is running, with its database
        yield
        return
    try:
        await migrate(address.conninfo, series=migrations())
        await give_logins(address, settings.secrets_folder)
        yield
    finally:
        await postgres.stop()


async def _recover(at: Worker) -> Recovered:
    async def do(facts: Facts) -> Recovered:
        async with at.platform.administration.transaction(tenant=DEFAULT_TENANT) as tx:
            await store.lock_configuration(tx, tenant=DEFAULT_TENANT)
            await store.restore_built_in(tx, tenant=DEFAULT_TENANT)
            await _restore_administrator(tx)
            aside = await _set_aside(at, tx)
            has_new_key = await _restore_key(at, tx)
            await at.service(Policy).service.refuse_state_without_administrator(
                await store.contents(tx, tenant=DEFAULT_TENANT)
            )
            link = await at.sessions.invite(tx, tenant=DEFAULT_TENANT, principal=ADMIN)
            await tx.notify(CONFIGURATION_CHANNEL)
        facts["policies_set_aside"] = ",".join(path.stem for path in aside)
        facts["new_key"] = has_new_key
        return Recovered(f"{at.base.settings.base_url}/sign-in#token={link.token}", aside, has_new_key, "")

    command = Command(summary=dict(MACHINE), arguments=digest_of("recover"), do=do)
    resource = Resource("tenant", DEFAULT_TENANT)
    done = await at.pipeline.run(operator(at).action(ACCESS_RECOVER, resource, command))
    recovered: Recovered = done.result
    return recovered._replace(record=done.run.record_id)


async def _restore_administrator(tx: Transaction) -> None:
    """Give the built-in administrator back its role and clearance."""
    known = await store.principals(tx, tenant=DEFAULT_TENANT)
    before = next((one for one in known if one.id == ADMIN), None)
    entry = store.built_in_administrator()
    if before is not None:
        entry = replace(entry, name=before.name, roles=before.roles | entry.roles)
    await store.put_principal(tx, entry, tenant=DEFAULT_TENANT, source="built_in")


async def _set_aside(at: Worker, tx: Transaction) -> tuple[Path, ...]:
    """Remove the policies that refuse administration, and keep their text in files."""
    contents = await store.contents(tx, tenant=DEFAULT_TENANT)
    folder, now = at.base.settings.data / "policies-set-aside", at.base.clock.now()
    paths: list[Path] = []
    for policy in at.service(Policy).service.policies_in_the_way(contents):
        # The file is on disk before the database row is deleted.
        paths.append(_keep(folder, policy, now=f"{now:%Y%m%dT%H%M%S}"))
        await store.delete(tx, "policy", policy.id, tenant=DEFAULT_TENANT, now=now)
    return tuple(paths)


def _keep(folder: Path, policy: CustomPolicy, *, now: str) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{policy.id}.{now}.cedar"
    write_private(path, policy.text)
    return path


async def _restore_key(at: Worker, tx: Transaction) -> bool:
    """Write a new key to `admin.key` if the one there is invalid."""
    path = at.base.settings.data / "admin.key"
    secret = path.read_text().strip() if path.exists() else ""
    if await at.service(Policy).service.is_admin_key(tx, secret):
        return False
    new = await at.service(Policy).service.new_admin_key(tx)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    write_private(fresh, new.secret)
    fresh.replace(path)
    return True

"""Features: what the house needs to know of one, what one is opened with, and what it offers once it is open."""

from __future__ import annotations

import importlib.resources
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, Protocol

import click

from headgate.admin.operations import Operation
from headgate.admin.requests import ChangeCheck
from headgate.kernel.action import Verb
from headgate.kernel.identity import TenantId
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import ConfigSection, Performer
from headgate.substrate._secret_files import kept_secret, private_folder
from headgate.substrate.clock import SystemClock, SystemIds
from headgate.substrate.database import Database
from headgate.substrate.egress import Egress
from headgate.substrate.secrets import SecretStore
from headgate.substrate.settings import Settings

Job = Callable[[Pipeline], Awaitable[None]]
"""Work that goes on as long as the worker does. An error in it is logged, and it begins again."""


class Names(Protocol):
    """Which names of one kind there are, such as aliases or roles, so that a mistyped one is refused."""

    def __call__(self, tenant: TenantId) -> Collection[str]:
        """Return the names in a tenant."""
        ...


@dataclass(frozen=True, slots=True)
class Foundations:
    """What every process of an installation shares: clock, ids, folders and the keys in them."""

    settings: Settings
    clock: SystemClock
    ids: SystemIds

    @property
    def secrets_folder(self) -> Path:
        """Where the installation's own secrets lie; not part of the database's backups."""
        return private_folder(self.settings.secrets_folder)

    def secret(self, name: str) -> bytes:
        """Return one of the installation's secrets; made when it is first asked for."""
        return kept_secret(self.secrets_folder / name).encode()


def foundations(settings: Settings) -> Foundations:
    """Return what every process shares."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Foundations(settings, SystemClock(), SystemIds())


@dataclass(frozen=True, slots=True)
class Rules:
    """The Cedar text that a feature brings: who may do its verbs, and what must be done with them.

    Args:
        name: of the feature.
        access: rules that permit or forbid.
        duties: rules that add obligations.
    """

    name: str
    access: str
    duties: str


@dataclass(frozen=True, slots=True)
class House:
    """What a feature is opened with.

    Args:
        purpose: `worker` serves; `desk` runs a single command of the machine's operator, without detectors, providers
            and jobs.
        is_baseline_alone: decide by the rules that ship with Headgate, whatever is stored.
        database: under the role of workers, which row-level security binds.
        administration: under the role that writes configuration.
        egress: the one way out of the process.
        model_port: where the embedded model process listens on loopback, or None without it.
        verbs: of every feature.
        older_verbs: names that stored rules may mention, with their groups; nothing performs them.
        rules: of every feature.
        tenants: the tenants that are known at this moment.
        names: returns the names of a kind, whichever feature knows them; none where no feature does.
        quit: ends this worker, so that the supervisor starts another one.
    """

    purpose: Literal["worker", "desk"]
    base: Foundations
    database: Database
    administration: Database
    egress: Egress
    secrets: SecretStore
    model_port: int | None
    verbs: Sequence[Verb[Any, Any, Any]]
    older_verbs: Mapping[str, tuple[str, ...]]
    rules: Sequence[Rules]
    tenants: Callable[[], Collection[TenantId]]
    names: Callable[[str, TenantId], Collection[str]]
    quit: Callable[[], None]
    is_baseline_alone: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """What a feature offers once it is open.

    Args:
        service: what its handlers get.
        performers: by the name of the verb; verbs whose payload is a command need none.
        stages: ports of the pipeline that it implements, by the names of `Stages`.
        sections: of `headgate.toml`, in the order in which they are applied.
        jobs: work that goes on as long as the worker does, by name.
        refresh: brings what it keeps in memory up to date with the database; called at the start, when the
            configuration changed, and every few seconds.
        names: by kind, the names that it knows.
        left_out: stored entries that cannot be used, as `tenant: kind id`.
        tenants: the tenants that are known; of one feature only.
        check: whether a change of the configuration may be committed; of one feature only.
    """

    service: Any = None
    performers: Mapping[str, Performer[Any, Any, Any]] = field(default_factory=dict[str, Performer[Any, Any, Any]])
    stages: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sections: Sequence[ConfigSection] = ()
    jobs: Mapping[str, Job] = field(default_factory=dict[str, Job])
    refresh: Callable[[], Awaitable[None]] | None = None
    names: Mapping[str, Names] = field(default_factory=dict[str, Names])
    left_out: Callable[[], Sequence[str]] | None = None
    tenants: Callable[[], Collection[TenantId]] | None = None
    check: ChangeCheck | None = None


Open = Callable[[House, AsyncExitStack], Awaitable[Opened]]
"""Builds a feature; what has to be taken down again is pushed on the stack."""


async def open_nothing(house: House, stack: AsyncExitStack) -> Opened:
    """Open a feature that keeps nothing."""
    return Opened()


@dataclass(frozen=True, slots=True)
class Feature:
    """What the house needs to know of a feature.

    Args:
        name: of the feature, and of its folder and its schema in PostgreSQL.
        summary: one sentence for people.
        package: the Python package of its folder. `migrations/` and `rules/` in it are found by themselves.
        older_verbs: names of verbs that stored rules may still mention, with their groups; nobody may do them.
    """

    name: str
    summary: str
    package: str
    verbs: Sequence[Verb[Any, Any, Any]] = ()
    operations: Sequence[Operation] = ()
    commands: Sequence[click.Command] = ()
    open: Open = open_nothing
    older_verbs: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def folder(self) -> Traversable:
        """The feature's folder."""
        return importlib.resources.files(self.package)

    @property
    def migrations(self) -> Traversable | None:
        """The folder of its migrations, where it has any."""
        found = self.folder / "migrations"
        return found if found.is_dir() else None

    @property
    def rules(self) -> Rules:
        """Its Cedar text, empty where it brings none."""
        texts = (self.folder / "rules" / f"{name}.cedar" for name in ("access", "duties"))
        access, duties = (text.read_text("utf-8") if text.is_file() else "" for text in texts)
        return Rules(self.name, access, duties)


def service_of(features: Mapping[str, Opened], kind: type[Any]) -> Any:
    """Return the service of this type among open features."""
    return next(one.service for one in features.values() if isinstance(one.service, kind))

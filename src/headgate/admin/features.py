"""Features: the manifest of a feature, the context in which it opens, and the parts of an open feature."""

from __future__ import annotations

import importlib.resources
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, Protocol

import click

from headgate.admin.directory import Directory
from headgate.admin.offers import Offer, Offers
from headgate.admin.operations import Operation
from headgate.admin.requests import ChangeCheck
from headgate.admin.wire_operations import WireOperation
from headgate.kernel.action import Action, Resource, Verb
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import BOTTOM, Labels
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import ConfigSection, Edit, Fault, Performer
from headgate.substrate._secret_files import kept_secret, private_folder
from headgate.substrate.clock import SystemClock, SystemIds
from headgate.substrate.database import Database
from headgate.substrate.durable import Durable
from headgate.substrate.egress import Egress
from headgate.substrate.secrets import SecretStore
from headgate.substrate.settings import Settings


class JobAction(Protocol):
    """Makes actions of background work, by Headgate itself under the built-in use case for jobs."""

    def __call__(
        self, tenant: TenantId, verb: Verb[Any, Any, Any], resource: Resource, payload: Any, *, floor: Labels = BOTTOM
    ) -> Action[Any, Any, Any]:
        """Return the action.

        Raises:
            Unavailable: the tenant is not known, or no longer.
        """
        ...


Job = Callable[[Pipeline], Awaitable[None]]
"""A background job of the worker. After an error it is logged and restarted."""


class Names(Protocol):
    """Lists the known names of one kind, such as aliases or roles, for checks of references."""

    def __call__(self, tenant: TenantId) -> Collection[str]:
        """Return the names that a tenant has."""
        ...


@dataclass(frozen=True, slots=True)
class Foundations:
    """Objects that every process of an installation needs: clock, ids, folders and their keys."""

    settings: Settings
    clock: SystemClock
    ids: SystemIds

    @property
    def secrets_folder(self) -> Path:
        """Folder of the installation's own secrets. Database backups do not include it."""
        return private_folder(self.settings.secrets_folder)

    def secret(self, name: str) -> bytes:
        """Return a secret of the installation. The first call creates it."""
        return kept_secret(self.secrets_folder / name).encode()


def foundations(settings: Settings) -> Foundations:
    """Return the foundations for these settings."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Foundations(settings, SystemClock(), SystemIds())


@dataclass(frozen=True, slots=True)
class Rules:
    """A feature's Cedar rules: access to its verbs, and duties.

    Args:
        name: of the feature.
        access: rules that permit or forbid.
        duties: rules that add obligations.
    """

    name: str
    access: str
    duties: str


@dataclass(frozen=True, slots=True)
class Platform:
    """The context in which a feature opens.

    Args:
        purpose: `worker` serves requests; `command` runs one command of the operator, without detectors, providers and
            jobs.
        is_baseline_alone: decide by the built-in rules only, and ignore stored policies.
        database: connects under the workers' role, which is subject to row-level security.
        administration: connects under the role that writes configuration.
        egress: the HTTP client for all outgoing requests.
        model_port: loopback port of the embedded model process, or None without it.
        verbs: of every feature.
        older_verbs: names of removed verbs that stored rules may contain, with their groups.
        rules: of every feature.
        tenants: returns the current tenants.
        names: returns the names of a kind from the feature that knows them; empty if no feature does.
        quit: ends this worker, so that the supervisor restarts it.
        job_action: makes an action of background work.
        offers: of the features that are open so far.
        directory: names the principals in records. Only for readers who may list people.
        durable: runs that another worker takes over when this one dies.
    """

    purpose: Literal["worker", "command"]
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
    job_action: JobAction
    offers: Offers
    directory: Directory
    durable: Durable
    is_baseline_alone: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """An open feature's parts.

    Args:
        service: the first argument of its handlers.
        performers: by name of the verb. Verbs with a command as payload need none.
        stages: the pipeline ports that it implements, by field of `Stages`.
        sections: its sections of `headgate.toml`, in the order of their application.
        jobs: background jobs by name.
        refresh: reloads cached state from the database. The worker calls it at start, after a change of the
            configuration, and every few seconds.
        names: the names that it knows, by kind.
        left_out: returns stored entries that cannot be used, as `tenant: kind id`.
        tenants: returns the current tenants. Exactly one feature has it.
        check: checks changes of the configuration. Exactly one feature has it.
        job_action: as in `Platform`; of one feature only.
        offers: what it gives to other features.
        warnings: yields warnings about a valid change of the configuration.
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
    job_action: JobAction | None = None
    offers: Sequence[Offer] = ()
    warnings: Callable[[Edit], Iterable[Fault]] = lambda edit: ()


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a feature needs to check its sections of a file without a database.

    Args:
        verbs, older_verbs, rules, names: as in `Platform`.
    """

    clock: SystemClock
    ids: SystemIds
    verbs: Sequence[Verb[Any, Any, Any]]
    older_verbs: Mapping[str, tuple[str, ...]]
    rules: Sequence[Rules]
    names: Callable[[str, TenantId], Collection[str]]


@dataclass(frozen=True, slots=True)
class OfflineParts:
    """The parts of a feature that work without a database; as in `Opened`. Its sections can only check."""

    sections: Sequence[ConfigSection] = ()
    names: Mapping[str, Names] = field(default_factory=dict[str, Names])


Open = Callable[[Platform, AsyncExitStack], Awaitable[Opened]]
"""Opens a feature. It pushes its cleanup on the exit stack."""


async def open_nothing(house: Platform, stack: AsyncExitStack) -> Opened:
    """Open a feature without state."""
    return Opened()


@dataclass(frozen=True, slots=True)
class Feature:
    """The manifest of a feature.

    Args:
        name: of the feature, its folder and its PostgreSQL schema.
        summary: one sentence for people.
        wire_operations: its routes on the wires of clients, beside those of the admin API.
        package: the Python package of its folder. Its `migrations/` and `rules/` are found automatically.
        older_verbs: names of removed verbs that stored rules may contain, with their groups.
        offline: returns the parts that check a file without a running Headgate.
    """

    name: str
    summary: str
    package: str
    verbs: Sequence[Verb[Any, Any, Any]] = ()
    operations: Sequence[Operation] = ()
    wire_operations: Sequence[WireOperation] = ()
    commands: Sequence[click.Command] = ()
    open: Open = open_nothing
    offline: Callable[[CheckContext], OfflineParts] = lambda context: OfflineParts()
    older_verbs: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def folder(self) -> Traversable:
        """The feature's folder."""
        return importlib.resources.files(self.package)

    @property
    def migrations(self) -> Traversable | None:
        """The folder of its migrations, or None."""
        found = self.folder / "migrations"
        return found if found.is_dir() else None

    @property
    def rules(self) -> Rules:
        """Its Cedar rules, empty if it has none."""
        texts = (self.folder / "rules" / f"{name}.cedar" for name in ("access", "duties"))
        access, duties = (text.read_text("utf-8") if text.is_file() else "" for text in texts)
        return Rules(self.name, access, duties)

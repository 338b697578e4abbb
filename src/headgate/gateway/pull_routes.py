"""Operations that pull open-weight models to this machine, list them and remove them."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec

from headgate.admin.bodies import Body, Name
from headgate.admin.commands import Facts, digest_of, summary
from headgate.admin.operations import Operation
from headgate.admin.requests import Request, event
from headgate.admin.verbs import CONFIG_READ
from headgate.gateway.parts import Gateway
from headgate.gateway.pulled_models import Digest, ModelFiles, ModelName, check_name, open_models, pulled_models
from headgate.gateway.pulls import Progress, Pull, pull
from headgate.gateway.specs import refuse_address
from headgate.gateway.verbs import MODEL_PULL, MODEL_REMOVE
from headgate.kernel.action import Resource
from headgate.kernel.errors import Conflict, Invalid, NotFound
from headgate.substrate.egress import parse_url


class PullRequest(Body, frozen=True, kw_only=True):
    """A known model by its name, or any file with its digest; through a declared network."""

    name: ModelName
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)] | None = None
    sha256: Digest | None = None
    network: Name = "default"


class PullProgress(Body, frozen=True, kw_only=True):
    """Data of the event `progress`. `bytes_per_s` and `left_s` are null before the first bytes."""

    done_bytes: int
    size_bytes: int
    percent: float
    bytes_per_s: float | None
    left_s: float | None


class PulledView(Body, frozen=True, kw_only=True):
    """A model on this machine."""

    name: str
    size_bytes: int
    sha256: str
    source: str
    licence: str
    deployments: list[str]


class PullPulled(Body, frozen=True, kw_only=True):
    """Data of the event `pulled`, the last one: the model, and the record."""

    model: PulledView
    record: str


class KnownView(Body, frozen=True, kw_only=True):
    """A model that can be pulled by its name."""

    name: str
    good_for: str
    size_bytes: int
    licence: str
    sha256: str


class PulledList(Body, frozen=True, kw_only=True):
    """The models on this machine, and those that can be pulled by name."""

    models: list[PulledView]
    known: list[KnownView]


class RemovedView(Body, frozen=True, kw_only=True):
    """A removed model."""

    name: str
    freed_bytes: int


async def pull_model(gateway: Gateway, request: Request) -> None:
    """Pull a model, with events `progress`, then one event `pulled`; or `error`.

    Another pull of the name continues a broken one.
    """
    body = request.body_as(PullRequest)
    wanted = await _wanted(gateway, request, body)
    async with request.events() as stream:

        async def report(progress: Progress) -> None:
            if not stream.is_started:
                await stream.begin()
            await stream.send(event("progress", _progress_view(progress)))

        async def do(facts: Facts) -> PulledView:
            request.decided.add(MODEL_PULL.name)  # before the stream begins
            pulled = await pull(wanted, gateway.models, report=report)
            facts["size_bytes"] = pulled.size_bytes
            return PulledView(**msgspec.structs.asdict(pulled), deployments=_users(gateway, request, pulled.name))

        done = await request.perform(
            MODEL_PULL,
            Resource("deployment", body.name),
            do,
            arguments=digest_of(body),
            summary=summary(host=parse_url(wanted.url).origin.host, sha256=wanted.sha256, network=body.network),
        )
        if not stream.is_started:
            await stream.begin()
        await stream.send(event("pulled", PullPulled(model=done.result, record=done.record)))


async def list_pulled(gateway: Gateway, request: Request) -> PulledList:
    """List the models that were pulled to this machine, and those that can be pulled by name."""
    request.authorise(CONFIG_READ, Resource("config", request.tenant))
    pulled = await asyncio.to_thread(pulled_models, gateway.models)
    return PulledList(
        models=[
            PulledView(**msgspec.structs.asdict(one), deployments=_users(gateway, request, one.name)) for one in pulled
        ],
        known=[
            KnownView(
                name=one.name,
                good_for=one.good_for,
                size_bytes=one.size_bytes,
                licence=one.licence,
                sha256=one.sha256,
            )
            for one in open_models()
        ],
    )


async def remove_pulled(gateway: Gateway, request: Request) -> RemovedView:
    """Remove a pulled model that no deployment uses, or the part of one."""
    name = _checked_name(request.path["name"])

    async def do(facts: Facts) -> RemovedView:
        if users := _users(gateway, request, name):
            raise Conflict(f"the model {name} is used by {', '.join(users)}; remove these deployments first")
        if any(one.provider == "local" and one.model == name for _, one in gateway.library.deployments()):
            raise Conflict(f"another organisation on this machine uses the model {name}")
        freed = await asyncio.to_thread(ModelFiles(gateway.models, name).remove)
        facts["size_bytes"] = freed
        return RemovedView(name=name, freed_bytes=freed)

    done = await request.perform(MODEL_REMOVE, Resource("deployment", name), do, arguments=digest_of(name))
    return done.result


async def _wanted(gateway: Gateway, request: Request, body: PullRequest) -> Pull:
    check_name(body.name)
    profile = await gateway.library.connections(body.network, tenant=request.tenant)
    if body.url is not None:
        if body.sha256 is None:
            raise Invalid("a file from an address needs its SHA-256 digest; its publisher shows it", param="sha256")
        refuse_address(body.url)
        return Pull(body.name, body.url, body.sha256, profile=profile)
    known = next((one for one in open_models() if one.name == body.name), None)
    if known is None:
        names = ", ".join(one.name for one in open_models())
        raise NotFound(f"{body.name} is not on the list ({names}); give url and sha256 to pull another file")
    if body.sha256 not in (None, known.sha256):
        raise Conflict(f"the list has another digest for {body.name}; give url and another name", param="sha256")
    return Pull(known.name, known.url, known.sha256, known.licence, known.size_bytes, profile=profile)


def _progress_view(progress: Progress) -> PullProgress:
    rate, left = progress.bytes_per_s, progress.left_s
    return PullProgress(
        done_bytes=progress.done_bytes,
        size_bytes=progress.size_bytes,
        percent=round(100 * progress.done_bytes / max(progress.size_bytes, 1), 1),
        bytes_per_s=None if rate is None else round(rate, 1),
        left_s=None if left is None else round(left, 1),
    )


def _users(gateway: Gateway, request: Request, name: str) -> list[str]:
    """Return the tenant's deployments of a pulled model."""
    deployments = gateway.catalogues(request.tenant).deployments.values()
    return sorted(one.id for one in deployments if one.provider == "local" and one.model == name)


def _checked_name(text: str) -> str:
    try:
        return msgspec.convert(text, ModelName)
    except msgspec.ValidationError as error:
        raise Invalid("this is no name of a pulled model; see `headgate models pulled`", param="name") from error


OPERATIONS = (
    Operation(
        "pullModel",
        "POST",
        "/api/models/pulled",
        "Pull an open-weight model to this machine, and follow its progress.",
        pull_model,
        body=PullRequest,
        answer=str,
        verb=MODEL_PULL,
        events=(PullProgress, PullPulled),
    ),
    Operation(
        "listPulledModels",
        "GET",
        "/api/models/pulled",
        "The models on this machine, and those that can be pulled by name.",
        list_pulled,
        answer=PulledList,
        verb=CONFIG_READ,
    ),
    Operation(
        "removePulledModel",
        "DELETE",
        "/api/models/pulled/{name}",
        "Remove a pulled model.",
        remove_pulled,
        answer=RemovedView,
        verb=MODEL_REMOVE,
    ),
)

"""Looks for the model servers on this machine: Ollama, vLLM, llama.cpp and others at their usual ports."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from headgate.gateway.credentials import Secrets
from headgate.gateway.provider_models import PROFILE, listed
from headgate.kernel.errors import HeadgateError
from headgate.kernel.labels import EVERYTHING, Custody
from headgate.kernel.ports import Clock
from headgate.substrate.egress import Egress, NetworkProfile, parse_url
from headgate.wire.model_call import Deployment
from headgate.wire.provider import Provider

_WITHIN_S: Final = 2.0
_MOST_MODELS: Final = 100


class LocalServer(NamedTuple):
    """A model server that answers on this machine, and the names of its models."""

    provider: str
    base_url: str
    models: Sequence[str]


async def local_servers(providers: Mapping[str, Provider], *, secrets: Secrets, clock: Clock) -> Sequence[LocalServer]:
    """Return the servers that list their models at the usual addresses of local providers, in two seconds at most.

    Two providers may have the same address, such as one that was started at another's port.
    """
    places = [
        (name, one, one.base_url)
        for name, one in providers.items()
        if one.custody is Custody.ORGANISATION and one.base_url is not None and one.models_path is not None
    ]
    found: list[LocalServer] = []
    profile = NetworkProfile(
        allow=tuple({parse_url(base_url).origin.authority for _, _, base_url in places}),
        connect_s=_WITHIN_S / 2,
        first_byte_s=_WITHIN_S,
        idle_s=_WITHIN_S,
        total_s=_WITHIN_S,
    )

    async def look(name: str, provider: Provider, base_url: str, egress: Egress) -> None:
        deployment = Deployment(name, name, "any", EVERYTHING)
        with suppress(HeadgateError):  # nothing runs there, or something else
            names = await listed(deployment, provider, egress=egress, secrets=secrets, clock=clock)
            found.append(LocalServer(name, base_url, names[:_MOST_MODELS]))

    egress = await asyncio.to_thread(Egress, profiles={PROFILE: profile})
    async with egress, asyncio.TaskGroup() as group:
        for name, one, base_url in places:
            group.create_task(look(name, one, base_url, egress))
    return sorted(found)

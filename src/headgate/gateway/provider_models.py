"""The names of the models that a provider offers, from the list that its API has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from headgate.gateway.catalogue_cache import Draft
from headgate.kernel.errors import Invalid, Upstream
from headgate.substrate.egress import Egress, Request
from headgate.wire.provider import Provider

_PROFILE: Final = "names"
_WITHIN_S: Final = 15.0
_MOST_BYTES: Final = 4 << 20
_MOST_NAMES: Final = 1000


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    """The list of both wires: an object with the models under `data`."""

    data: list[_Model]


async def names_of(draft: Draft, provider: Provider, *, secrets: Callable[[str], str]) -> Sequence[str]:
    """Return the names, sorted; at most a thousand.

    Raises:
        Invalid: the provider has no list.
        Upstream: the server refuses, or its answer is no list of models.
        Denied, Unavailable: as for a call.
    """
    base_url = draft.deployment.base_url or provider.base_url
    if provider.models_path is None or base_url is None:
        raise Invalid(f"{provider.manifest.name} does not list its models; enter the model's name")
    key = draft.deployment.key
    headers = (("accept", "application/json"), *provider.headers, *provider.credential(secrets(key) if key else None))
    request = Request(
        "GET",
        base_url.rstrip("/") + provider.models_path,
        tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers),
        b"",
        profile=_PROFILE,
        within_s=_WITHIN_S,
    )
    profile = replace(draft.profile, total_s=_WITHIN_S)
    egress = await asyncio.to_thread(Egress, profiles={_PROFILE: profile})
    async with egress, egress.send(request) as response:
        body = await response.read(limit=_MOST_BYTES)
        if response.status >= 300:
            raise Upstream("the provider does not list its models", upstream_status=response.status)
    try:
        found = msgspec.json.decode(body, type=_Models)
    except msgspec.MsgspecError as error:
        raise Upstream("the provider's answer is not a list of models") from error
    return sorted({one.id for one in found.data if one.id and len(one.id) <= 256})[:_MOST_NAMES]

"""The declaration of a provider extension: provider × dialect × capability profile, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from headgate.kernel.errors import Invalid
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY, Custody
from headgate.wire.dialect import MODEL
from headgate.wire.model_call import Capability, Operation

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The path and dialect of one operation at a provider.

    Args:
        path: the path after the base URL; the provider's model name replaces `{model}` in it.
        stream_path: the path of streamed calls; None means `path`.
    """

    dialect: str
    path: str
    stream_path: str | None = None

    def path_of(self, model: str, *, streams: bool) -> str:
        """Return the path of a call, with the model percent-encoded as one segment.

        Raises:
            Invalid: a server that decodes the model's name would see another path, as for `..`.
        """
        path = self.path if self.stream_path is None or not streams else self.stream_path
        if MODEL not in path:
            return path
        if any(segment in ("", ".", "..") for segment in model.replace("\\", "/").split("/")):
            raise Invalid(f"the model {model[:200]!r} cannot stand in the path of a request", param="model")
        return path.replace(MODEL, quote(model, safe=""))


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    Args:
        endpoints: the endpoints by operation. The provider does not offer an absent operation.
        base_url: the default address, or None if every deployment must set its own.
        credential: turns the secret into request headers; takes None for a deployment without a
            key.
        headers: the headers of every request.
        forwards: the client headers that the gateway sends upstream, in lower case.
        quirks: the switches from the dialects' docstrings; a deployment adds its own.
        home_quirks: the switches that only servers at `base_url` have, not other servers of the
            same wire.
        capability: the default capability of its models; a deployment may override it.
        custody: the default custody of its machines; a deployment may override it.
        caller_header: the header in which one of our own providers gets an anonymous name for each
            caller.
        dropped_header: the header in which one of our own providers names the fields without
            effect.
        models_path: the path after the base URL of the list of its models, an object with `id`s under
            `data`; None if it has none.
        on_disconnect: `cancel` if closing the connection stops generation, `drain` if the provider
            bills the whole answer anyway.
    """

    manifest: Manifest
    endpoints: Mapping[Operation, Endpoint]
    credential: Callable[[str | None], Headers]
    base_url: str | None = None
    headers: Headers = ()
    forwards: frozenset[str] = EMPTY
    quirks: frozenset[str] = EMPTY
    home_quirks: frozenset[str] = EMPTY
    capability: Capability = field(default_factory=Capability)
    custody: Custody = Custody.ANY
    caller_header: str | None = None
    dropped_header: str | None = None
    models_path: str | None = None
    on_disconnect: Literal["cancel", "drain"] = "cancel"


def bearer(secret: str | None) -> Headers:
    """Return the secret as an `authorization: Bearer` header; no header without a secret."""
    return (("authorization", f"Bearer {secret}"),) if secret else ()

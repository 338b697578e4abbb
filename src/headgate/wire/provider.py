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
        path: appended to the base URL; `{model}` in it becomes the provider's model name.
        stream_path: the path of streamed calls; None uses `path`.
    """

    dialect: str
    path: str
    stream_path: str | None = None

    def path_of(self, model: str, *, streams: bool) -> str:
        """Return the path of a call, with the model percent-encoded as one segment.

        Raises:
            Invalid: the model would lead to another path once a server decodes it, as `..` does.
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
        endpoints: by operation; what is absent is not offered.
        base_url: the usual address, or None where every deployment must give its own.
        credential: turns the secret into request headers; called with None where the deployment has no key.
        headers: sent with every request.
        forwards: names of client headers that go upstream, in lower case.
        quirks: switches that the dialects document; a deployment adds its own.
        home_quirks: switches of the servers at `base_url` alone, not of others that speak the same wire.
        capability: what its models can do unless the deployment says otherwise.
        custody: whose machines it runs on unless the deployment says otherwise.
        caller_header: the header that tells a provider of our own its callers apart, by names that say nothing of them.
        dropped_header: the header in which a provider of our own names the fields that changed nothing.
        on_disconnect: `cancel` where closing the connection stops generation, `drain` where it is billed in full.
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
    on_disconnect: Literal["cancel", "drain"] = "cancel"


def bearer(secret: str | None) -> Headers:
    """Send the secret as `authorization: Bearer`; nothing without one."""
    return (("authorization", f"Bearer {secret}"),) if secret else ()

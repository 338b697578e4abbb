"""Binds parts of an answer to the deployment that issued them; see `Binding`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from headgate.wire.dialect import Binding, EventReader, WireEvent
from headgate.wire.model_call import Deployment
from headgate.wire.sse import SseEvent

_TAG_CHARS = 16


@lru_cache(maxsize=4096)
def tag_of(deployment: Deployment) -> str:
    """Return the tag of a deployment. It changes with the account at the provider, as far as the deployment tells."""
    account = (deployment.id, deployment.tenant, deployment.provider, deployment.base_url, deployment.key)
    return hashlib.sha256(msgspec.json.encode(account)).hexdigest()[:_TAG_CHARS]


class BindingReader:
    """Decodes one upstream stream and binds its events; implements `EventReader`."""

    def __init__(self, reader: EventReader, binding: Binding, tag: str) -> None:
        self._reader = reader
        self._binding = binding
        self._tag = tag

    def feed(self, event: SseEvent) -> Sequence[WireEvent]:
        """Return the model events of an SSE event."""
        return [self._binding.bound_event(one, self._tag) for one in self._reader.feed(event)]

    def finish(self) -> None:
        """Check that the stream is complete; call it when the connection has ended."""
        self._reader.finish()

"""Operations: the routes of the admin API, each declared by the feature that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from headgate.admin.requests import Request
from headgate.kernel.action import Verb

Method = Literal["GET", "POST", "PUT", "DELETE"]

Handler = Callable[[Any, Request], Awaitable[msgspec.Struct | None]]
"""Handler of an operation; receives the feature's service. A streaming handler sends its events and returns None."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """An optional query parameter, a string by default."""

    name: str
    description: str
    kind: Literal["string", "integer", "boolean"] = "string"


MAX_BODY_BYTES = 5 << 20
"""The usual limit of a request body."""

CURSOR = Parameter("cursor", "The `next` value of the previous page.")
LIMIT = Parameter("limit", "At most this many, 1 to 200; 50 by default.", "integer")


@dataclass(frozen=True, slots=True)
class Operation:
    """One route of the admin API.

    Args:
        id: the operation's name in generated clients.
        path: begins with `/api/`; `{name}` is one segment.
        summary: one sentence for the OpenAPI document.
        handler: the function that answers.
        body: type of the request body, or None.
        answer: type of the 200 response, or None for 204; `str` is a stream of server-sent events, and `bytes` a file.
        verb: the verb that the handler must let policy decide. The server sends no response without that decision.
            None if every authenticated caller may read their own data.
        instead: a verb that policy may decide instead for a smaller request, such as a dry run.
        public: whether the operation needs no session or key.
        events: types of the data of server-sent events, for the OpenAPI document.
        files: content types of a file.
        body_bytes: the limit of the request body.
    """

    id: str
    method: Method
    path: str
    summary: str
    handler: Handler
    body: type[msgspec.Struct] | None = None
    answer: type[msgspec.Struct] | type[str] | type[bytes] | None = None
    verb: Verb[Any, Any, Any] | None = None
    instead: Verb[Any, Any, Any] | None = None
    parameters: Sequence[Parameter] = ()
    public: bool = False
    events: Sequence[type[msgspec.Struct]] = ()
    files: Sequence[str] = ()
    body_bytes: int = MAX_BODY_BYTES

    @property
    def is_streamed(self) -> bool:
        """Whether the handler sends the response itself."""
        return self.answer is str or self.answer is bytes

    def is_decided(self, decided: Collection[str]) -> bool:
        """Return whether the decided verbs include the operation's verb, or it declares none."""
        declared = [verb.name for verb in (self.verb, self.instead) if verb is not None]
        return not declared or any(name in decided for name in declared)

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
"""Answers an operation, given the feature's service. One whose answer is a stream writes it itself and returns None."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter; all are optional strings unless `kind` says otherwise."""

    name: str
    description: str
    kind: Literal["string", "integer", "boolean"] = "string"


CURSOR = Parameter("cursor", "Continue after this place.")
LIMIT = Parameter("limit", "At most this many, 1 to 200; 50 by default.", "integer")


@dataclass(frozen=True, slots=True)
class Operation:
    """One route of the admin API.

    Args:
        id: the operation's name in generated clients.
        path: begins with `/api/`; `{name}` is one segment.
        summary: one sentence for the document.
        handler: answers it.
        body: the request's type, or None.
        answer: the type of the 200 answer, or None for 204; `str` is a stream of server-sent events.
        verb: the verb that policy decides before anything is answered. The server refuses to send an answer for which
            the handler did not have it decided. None where everybody who is recognised gets an answer of their own.
        instead: the verb that is decided where the request asks for less, such as a dry run.
        public: whether it may be called without a session or key.
        events: types of the data of server-sent events, for the document.
    """

    id: str
    method: Method
    path: str
    summary: str
    handler: Handler
    body: type[msgspec.Struct] | None = None
    answer: type[msgspec.Struct] | type[str] | None = None
    verb: Verb[Any, Any, Any] | None = None
    instead: Verb[Any, Any, Any] | None = None
    parameters: Sequence[Parameter] = ()
    public: bool = False
    events: Sequence[type[msgspec.Struct]] = ()

    def is_decided(self, decided: Collection[str]) -> bool:
        """Tell whether policy has decided what the operation declares, given the names of the verbs that it decided."""
        declared = [verb.name for verb in (self.verb, self.instead) if verb is not None]
        return not declared or any(name in decided for name in declared)

"""A plane: a family of wires whose clients share a base URL, a form of errors and the key's header.

Each dialect names its plane. The dialects of one SDK name the same plane. A path that no dialect
serves still belongs to a plane: the server tells it by the path or by a header of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from headgate.kernel.errors import HeadgateError
from headgate.kernel.labels import EMPTY
from headgate.wire.model_call import Capability, Operation


class HttpError(NamedTuple):
    """An error as an HTTP answer of one plane; `body` is JSON."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class ErrorWriter(Protocol):
    """Renders an error for the clients of a plane."""

    def __call__(self, error: HeadgateError, *, request_id: str) -> HttpError:
        """Return the answer; its headers name the request."""
        ...


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a list of models tells of one model.

    Args:
        id: the name to call it by.
        capability: of the deployment that answers first, or None where there is none.
        quirks: of that deployment.
        dialect: the name of the dialect that this deployment speaks, or "" where there is none.
    """

    id: str
    operation: Operation = "chat"
    description: str = ""
    capability: Capability | None = None
    quirks: frozenset[str] = EMPTY
    dialect: str = ""


class ModelLists(NamedTuple):
    """How `GET /v1/models` looks to the clients of a plane.

    Args:
        page: writes a list; the mapping is the request's query. It raises Invalid for a bad page.
        one: writes a single model.
    """

    page: Callable[[Sequence[ModelCard], Mapping[str, str]], bytes]
    one: Callable[[ModelCard], bytes]


@dataclass(frozen=True, slots=True)
class Plane:
    """One family of wires.

    Args:
        name: in metrics and records; `api` and `console` are taken.
        base_path: the path in the base URL of its clients, such as `/v1`, or "".
        write_error: renders an error.
        request_id_header: where its clients read the id of a request.
        key_headers: where its clients send the key, beside `authorization: Bearer`.
        known_by: headers that its clients send and no others do, in lower case.
        rate_limit_headers: headers of answers that its clients read. Pages of other origins may
            read them too.
        path_parts: parts by which a path belongs to it although no dialect serves the path.
        models: how it lists models; None: as OpenAI does.
    """

    name: str
    base_path: str
    write_error: ErrorWriter
    request_id_header: str = "x-request-id"
    key_headers: tuple[str, ...] = ()
    known_by: frozenset[str] = EMPTY
    rate_limit_headers: tuple[str, ...] = ()
    path_parts: tuple[str, ...] = ()
    models: ModelLists | None = None

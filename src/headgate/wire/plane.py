"""A plane: a family of wires with a common base URL, form of errors and key header.

Each dialect names its plane. The dialects of one SDK name the same plane. A path that no dialect
serves still belongs to a plane. The server finds that plane by the path or by a request header.
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
    """The entry of one model in a list of models.

    Args:
        id: the name by which clients call the model.
        capability: the capability of the deployment that answers first, or None without one.
        quirks: the quirks of that deployment.
        dialect: the name of that deployment's dialect, or "" without a deployment.
    """

    id: str
    operation: Operation = "chat"
    description: str = ""
    capability: Capability | None = None
    quirks: frozenset[str] = EMPTY
    dialect: str = ""


class ModelLists(NamedTuple):
    """Writes the answers to `GET /v1/models` for the clients of a plane.

    Args:
        page: writes a list; the mapping is the request's query. It raises Invalid for an invalid
            query.
        one: writes a single model.
    """

    page: Callable[[Sequence[ModelCard], Mapping[str, str]], bytes]
    one: Callable[[ModelCard], bytes]


@dataclass(frozen=True, slots=True)
class Plane:
    """One family of wires.

    Args:
        name: the name in metrics and records; `api` and `console` are reserved.
        base_path: the path in the base URL of its clients, such as `/v1`, or "".
        write_error: renders an error.
        request_id_header: the header in which its clients read the id of a request.
        key_headers: the headers with its clients' key, besides `authorization: Bearer`.
        known_by: the headers, in lower case, that only its clients send.
        rate_limit_headers: the rate limit headers that its clients read. Pages of other origins
            may read them too.
        path_parts: the parts that assign a path to this plane if no dialect serves the path.
        models: the writer of its lists of models; None means OpenAI's form.
        models_path: the path of its own lists of models, besides `/v1/models`.
        key_parameter: the query parameter in which its clients may send the key. The server
            refuses it, because addresses are written to logs.
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
    models_path: str | None = None
    key_parameter: str | None = None

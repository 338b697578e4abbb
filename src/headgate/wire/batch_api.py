"""The contract of a provider's batch API: dialogues of requests and answers, as pure functions.

A dialogue is a generator. It yields the requests and is sent the bodies of their answers.

    begin(lines) ─▶ look(id) … look(id) ─▶ answers(batch)
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

import msgspec

from headgate.kernel.errors import Upstream
from headgate.wire.model_call import JSON

Left = Literal["expired", "canceled"]
"""Why a line did not run."""

T = TypeVar("T")
S = TypeVar("S")


class Ask(NamedTuple):
    """A request; `path` comes after the deployment's base URL."""

    method: Literal["GET", "POST"]
    path: str
    body: bytes = b""
    media_type: str = JSON


Dialogue = Generator[Ask, bytes, T]


@dataclass(frozen=True, slots=True)
class ProviderBatch:
    """A batch at a provider.

    Args:
        is_ended: whether no line will be answered any more.
        fault: why the provider refused it as a whole, or "".
        results: the paths of its results.
    """

    id: str
    is_ended: bool = False
    fault: str = ""
    results: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """The answer to one line.

    Args:
        status: that a single call would have had.
        left: why the line did not run, or None if it did.
        batch: the provider's id of the batch.
    """

    status: int
    body: bytes = b""
    left: Left | None = None
    batch: str = ""


class BatchApi(Protocol):
    """The batch API of a provider.

    A line's name at the provider is its number, so that the provider does not see the names of the client.
    """

    @property
    def paths(self) -> frozenset[str]:
        """The paths of calls that a batch may have."""
        ...

    @property
    def price_percent(self) -> int:
        """The price of a line in percent of the price of a single call."""
        ...

    def begin(self, lines: Mapping[int, bytes], *, path: str, name: str) -> Dialogue[ProviderBatch]:
        """Begin a batch. The provider keeps `name` with it, if its API can."""
        ...

    def find(self, name: str) -> Dialogue[ProviderBatch | None]:
        """Find a batch by its name; None also if the API keeps no names."""
        ...

    def look(self, batch: str) -> Dialogue[ProviderBatch]:
        """Return how a batch stands."""
        ...

    def cancel(self, batch: str) -> Dialogue[None]:
        """Ask a batch to end."""
        ...

    def answers(self, batch: ProviderBatch) -> Dialogue[Mapping[int, LineAnswer]]:
        """Return the answers by line, in any order."""
        ...


def line_name(number: int) -> str:
    """Return the name of a line at a provider."""
    return f"line-{number}"


def line_number(name: str) -> int | None:
    """Return the number of a line by its name at a provider, or None for a name that is not ours."""
    number = name.removeprefix("line-")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None


def read_as(body: bytes, kind: type[S]) -> S:
    """Decode an answer.

    Raises:
        Upstream: it is not of this form.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Upstream(f"the provider's batch API answered in another form: {error}") from error


def raw(body: bytes) -> msgspec.Raw:
    """Return JSON as a part of a line. Its line breaks can only be between its tokens."""
    return msgspec.Raw(body.replace(b"\n", b" ").replace(b"\r", b" "))

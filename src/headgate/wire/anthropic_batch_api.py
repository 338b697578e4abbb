"""Anthropic's batch API: one request with all lines, and a file of results.

It keeps no names, so a batch is not found again by its name.

Source: Anthropic's API reference, "Message Batches".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from headgate.wire.anthropic_errors import status_of
from headgate.wire.batch_api import (
    Ask,
    Dialogue,
    LineAnswer,
    ProviderBatch,
    line_name,
    line_number,
    raw,
    read_as,
)

_PATH: Final = "/v1/messages/batches"


class _Batch(msgspec.Struct):
    id: str
    processing_status: str

    def view(self) -> ProviderBatch:
        return ProviderBatch(self.id, self.processing_status == "ended", results=(f"{_PATH}/{self.id}/results",))


class _Result(msgspec.Struct):
    type: Literal["succeeded", "errored", "canceled", "expired"]
    message: msgspec.Raw = msgspec.Raw(b"{}")
    error: msgspec.Raw = msgspec.Raw(b"{}")


class _Line(msgspec.Struct):
    custom_id: str
    result: _Result


class AnthropicBatchApi:
    """`/v1/messages/batches`."""

    paths = frozenset({"/v1/messages"})
    price_percent = 50

    def begin(self, lines: Mapping[int, bytes], *, path: str, name: str) -> Dialogue[ProviderBatch]:
        """As `BatchApi.begin`."""
        requests = [{"custom_id": line_name(number), "params": raw(body)} for number, body in lines.items()]
        return read_as((yield Ask("POST", _PATH, msgspec.json.encode({"requests": requests}))), _Batch).view()

    def find(self, name: str) -> Dialogue[ProviderBatch | None]:
        """As `BatchApi.find`: None."""
        yield from ()
        return None

    def look(self, batch: str) -> Dialogue[ProviderBatch]:
        """As `BatchApi.look`."""
        return read_as((yield Ask("GET", f"{_PATH}/{batch}")), _Batch).view()

    def cancel(self, batch: str) -> Dialogue[None]:
        """As `BatchApi.cancel`."""
        yield Ask("POST", f"{_PATH}/{batch}/cancel")

    def answers(self, batch: ProviderBatch) -> Dialogue[Mapping[int, LineAnswer]]:
        """As `BatchApi.answers`."""
        found: dict[int, LineAnswer] = {}
        for path in batch.results:
            found.update(_answers((yield Ask("GET", path)), batch.id))
        return found


def _answers(text: bytes, batch: str) -> Iterator[tuple[int, LineAnswer]]:
    for line in text.splitlines():
        if not line.strip():
            continue
        said = read_as(line, _Line)
        if (number := line_number(said.custom_id)) is None:
            continue
        match said.result.type:
            case "succeeded":
                yield number, LineAnswer(200, bytes(said.result.message), batch=batch)
            case "errored":
                error = bytes(said.result.error)
                yield number, LineAnswer(status_of(error), error, batch=batch)
            case "canceled" | "expired" as why:
                yield number, LineAnswer(500, left=why, batch=batch)

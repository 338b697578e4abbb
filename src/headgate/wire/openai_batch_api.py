"""OpenAI's batch API: a file of lines, a batch of it, and a file of results.

Source: OpenAI's API document, `/files` and `/batches`, and its guide "Batch API".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from headgate.wire.batch_api import (
    Ask,
    Dialogue,
    Left,
    LineAnswer,
    ProviderBatch,
    line_name,
    line_number,
    raw,
    read_as,
)
from headgate.wire.multipart import Form, Part

_NAME: Final = "headgate"
"""The key of a batch's metadata with its name."""

_KEEPS_S: Final = 3 * 86_400
"""OpenAI deletes the files after this time, so that content does not stay there."""

_LISTED: Final = 100
_ENDED: Final = frozenset({"completed", "expired", "cancelled", "failed"})
_LEFT: Final[Mapping[str | None, Left]] = {"batch_expired": "expired", "batch_cancelled": "canceled"}


class _File(msgspec.Struct):
    id: str


class _Fault(msgspec.Struct):
    message: str | None = None


class _Faults(msgspec.Struct):
    data: list[_Fault] | None = None


class _Batch(msgspec.Struct):
    id: str
    status: str
    errors: _Faults | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    metadata: dict[str, Any] | None = None

    def view(self) -> ProviderBatch:
        faults = (self.errors.data if self.errors is not None else None) or []
        fault = "; ".join(one.message or "" for one in faults[:3]) or "it gives no reason"
        files = [one for one in (self.output_file_id, self.error_file_id) if one]
        return ProviderBatch(
            self.id,
            self.status in _ENDED,
            fault if self.status == "failed" else "",
            tuple(f"/files/{one}/content" for one in files),
        )


class _Batches(msgspec.Struct):
    data: list[_Batch]


class _Response(msgspec.Struct):
    status_code: int
    body: msgspec.Raw


class _Error(msgspec.Struct):
    code: str | None = None
    message: str | None = None


class _Line(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None


class OpenAiBatchApi:
    """`/files` and `/batches`, beside the other paths of OpenAI's wire."""

    paths = frozenset({"/chat/completions", "/responses", "/embeddings", "/completions"})
    price_percent = 50

    def begin(self, lines: Mapping[int, bytes], *, path: str, name: str) -> Dialogue[ProviderBatch]:
        """As `BatchApi.begin`."""
        url = f"/v1{path}"
        requests = (
            {"custom_id": line_name(number), "method": "POST", "url": url, "body": raw(body)}
            for number, body in lines.items()
        )
        text = b"\n".join(map(msgspec.json.encode, requests))
        # Nobody who wrote a line could know the name, so no line has this boundary in it.
        form = Form((Part("purpose", b"batch"), Part("file", text, f"{name}.jsonl", "application/jsonl")), f"hg-{name}")
        form = form.with_texts({"expires_after[anchor]": "created_at", "expires_after[seconds]": str(_KEEPS_S)})
        file = read_as((yield Ask("POST", "/files", form.to_bytes(), form.content_type)), _File)
        asked = {
            "input_file_id": file.id,
            "endpoint": url,
            "completion_window": "24h",
            "metadata": {_NAME: name},
            "output_expires_after": {"anchor": "created_at", "seconds": _KEEPS_S},
        }
        return read_as((yield Ask("POST", "/batches", msgspec.json.encode(asked))), _Batch).view()

    def find(self, name: str) -> Dialogue[ProviderBatch | None]:
        """As `BatchApi.find`; among the newest hundred batches."""
        found = read_as((yield Ask("GET", f"/batches?limit={_LISTED}")), _Batches)
        return next((one.view() for one in found.data if (one.metadata or {}).get(_NAME) == name), None)

    def look(self, batch: str) -> Dialogue[ProviderBatch]:
        """As `BatchApi.look`."""
        return read_as((yield Ask("GET", f"/batches/{batch}")), _Batch).view()

    def cancel(self, batch: str) -> Dialogue[None]:
        """As `BatchApi.cancel`."""
        yield Ask("POST", f"/batches/{batch}/cancel")

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
        if said.response is not None:
            yield number, LineAnswer(said.response.status_code, bytes(said.response.body), batch=batch)
        else:
            error = said.error or _Error()
            body = msgspec.json.encode({"error": {"message": error.message, "code": error.code}})
            yield number, LineAnswer(500, body, _LEFT.get(error.code), batch)

"""The lines of batches on both wires: requests on the way in, results on the way out. Pure functions of bytes.

Source: OpenAI's API document, schemas `BatchRequestInput` and `BatchRequestOutput`; Anthropic's API reference,
"Retrieve message batch results".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from headgate.kernel.errors import HeadgateError, Invalid, TooLarge
from headgate.wire.anthropic_plane import ANTHROPIC
from headgate.wire.batch_api import Left, raw
from headgate.wire.openai_plane import OPENAI
from headgate.wire.plane import Plane

MESSAGES = "/v1/messages"
ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions")
"""The paths that lines of OpenAI's wire may have."""

MOST_LINES = 50_000
MOST_LINE_BYTES = 16 << 20
_MOST_ID_CHARS = 256
_MOST_FAULTS = 50

_REASONS: Mapping[Left, str] = {
    "canceled": "This request was not executed because the batch was cancelled.",
    "expired": "This request could not be executed before the completion window expired.",
}
_CODES: Mapping[Left, str] = {"canceled": "batch_cancelled", "expired": "batch_expired"}


class LineFault(Invalid):
    """A line is no valid request. `custom_id` is that of the line, if it has one, and `told` is OpenAI's code."""

    code = "invalid_line"

    def __init__(
        self, message: str, *, told: str = "invalid_json_line", custom_id: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message, param=param)
        self.told = told
        self.custom_id = custom_id


class Fault(msgspec.Struct, frozen=True):
    """A fault for which a file is refused as a whole, in OpenAI's form."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A request of a batch."""

    custom_id: str
    body: bytes


class LineForm(Protocol):
    """The form of lines on one wire."""

    @property
    def plane(self) -> Plane:
        """The plane of its clients."""
        ...

    def read(self, line: bytes, *, endpoint: str) -> Line:
        """Decode a request.

        Raises:
            LineFault: it is not valid.
        """
        ...

    def succeeded(self, line: Line, body: bytes, *, record: str) -> bytes:
        """Return the result of a line that was answered."""
        ...

    def errored(self, custom_id: str | None, error: HeadgateError, *, record: str) -> bytes:
        """Return the result of a line that failed."""
        ...

    def left(self, custom_id: str | None, why: Left, *, record: str) -> bytes:
        """Return the result of a line that did not run."""
        ...


class _OpenAILine(msgspec.Struct):
    custom_id: str
    url: str
    body: msgspec.Raw
    method: str = "POST"


class _AnthropicLine(msgspec.Struct):
    custom_id: str
    params: msgspec.Raw


class _Named(msgspec.Struct):
    custom_id: Any = None


class _Modelled(msgspec.Struct):
    model: Any = None


_OPENAI = msgspec.json.Decoder(_OpenAILine)
_ANTHROPIC = msgspec.json.Decoder(_AnthropicLine)
_NAMED = msgspec.json.Decoder(_Named)
_MODELLED = msgspec.json.Decoder(_Modelled)
_FIELD = re.compile(r"field `(\w+)`|at `\$\.(\w+)`")


class OpenAILines:
    """Lines of `/v1/batches`."""

    plane = OPENAI

    def read(self, line: bytes, *, endpoint: str) -> Line:
        """As `LineForm.read`."""
        found: _OpenAILine = _decoded(line, _OPENAI)
        if found.method != "POST" or found.url != endpoint:
            raise LineFault(
                f"the line asks for {found.method[:20]} {found.url[:100]!r}, and this batch is for POST {endpoint}",
                told="url_mismatch" if found.method == "POST" else "invalid_method",
                custom_id=found.custom_id,
                param="url" if found.method == "POST" else "method",
            )
        return Line(found.custom_id, bytes(found.body))

    def succeeded(self, line: Line, body: bytes, *, record: str) -> bytes:
        """As `LineForm.succeeded`."""
        return self._written(line.custom_id, record, {"status_code": 200, "request_id": record, "body": raw(body)})

    def errored(self, custom_id: str | None, error: HeadgateError, *, record: str) -> bytes:
        """As `LineForm.errored`."""
        if isinstance(error, LineFault):
            return self._written(custom_id, record, None, {"code": error.code, "message": error.message})
        rendered = OPENAI.write_error(error, request_id=record)
        response = {"status_code": rendered.status, "request_id": record, "body": raw(rendered.body)}
        return self._written(custom_id, record, response)

    def left(self, custom_id: str | None, why: Left, *, record: str) -> bytes:
        """As `LineForm.left`."""
        return self._written(custom_id, record, None, {"code": _CODES[why], "message": _REASONS[why]})

    @staticmethod
    def _written(custom_id: str | None, record: str, response: Any, error: Any = None) -> bytes:
        said = {"id": f"batch_req_{record.lower()}", "custom_id": custom_id, "response": response, "error": error}
        return msgspec.json.encode(said)


class AnthropicLines:
    """Lines of `/v1/messages/batches`."""

    plane = ANTHROPIC

    def read(self, line: bytes, *, endpoint: str) -> Line:
        """As `LineForm.read`."""
        found: _AnthropicLine = _decoded(line, _ANTHROPIC)
        return Line(found.custom_id, bytes(found.params))

    def succeeded(self, line: Line, body: bytes, *, record: str) -> bytes:
        """As `LineForm.succeeded`."""
        return _result(line.custom_id, {"type": "succeeded", "message": raw(body)})

    def errored(self, custom_id: str | None, error: HeadgateError, *, record: str) -> bytes:
        """As `LineForm.errored`."""
        rendered = ANTHROPIC.write_error(error, request_id=record)
        return _result(custom_id, {"type": "errored", "error": raw(rendered.body)})

    def left(self, custom_id: str | None, why: Left, *, record: str) -> bytes:
        """As `LineForm.left`."""
        return _result(custom_id, {"type": why})


FORMS: Mapping[str, LineForm] = {OPENAI.name: OpenAILines(), ANTHROPIC.name: AnthropicLines()}
"""The forms by name of their plane."""


def lines_of(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file that are not blank, each with its number, from 1."""
    at = number = 0
    while at < len(text):
        end = text.find(b"\n", at)
        end = len(text) if end < 0 else end
        number += 1
        if line := text[at:end].strip():
            yield number, line
        at = end + 1


def count_lines(text: bytes) -> int:
    """Return the number of lines that are not blank."""
    return sum(1 for _ in lines_of(text))


def _decoded(line: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """Decode a line.

    Raises:
        LineFault: it is too large, no JSON, or lacks a field.
    """
    if len(line) > MOST_LINE_BYTES:
        raise LineFault(f"the line is larger than {MOST_LINE_BYTES >> 20} MiB; send a smaller one")
    try:
        found = decoder.decode(line)
    except msgspec.ValidationError as error:
        text, named = str(error), _FIELD.search(str(error))
        told = "missing_required_parameter" if "missing required field" in text else "invalid_value"
        param = None if named is None else named[1] or named[2]
        raise LineFault(
            f"the line is no valid request: {text}", told=told, custom_id=custom_id_of(line), param=param
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LineFault(f"the line is not valid JSON: {error}") from error
    if not 0 < len(found.custom_id) <= _MOST_ID_CHARS:
        raise LineFault(
            f"custom_id must have 1 to {_MOST_ID_CHARS} characters", told="invalid_value", param="custom_id"
        )
    return found


def faults_of(text: bytes, form: LineForm, *, endpoint: str, knows: Callable[[str], bool]) -> list[Fault]:
    """Return the first faults of a file that refuse it as a whole. A body may be wrong: its line fails alone.

    Args:
        knows: whether there is a model of a name.
    """
    found: list[Fault] = []
    seen: set[str] = set()
    total = 0
    for number, given in lines_of(text):
        total += 1
        try:
            line = form.read(given, endpoint=endpoint)
            if line.custom_id in seen:
                raise LineFault(
                    "another line has the custom_id of this one", told="duplicate_custom_id", param="custom_id"
                )
            seen.add(line.custom_id)
            model = _model_of(line.body)
            if model is not None and not knows(model):
                raise LineFault(f"there is no model {model[:100]!r}", told="model_not_found", param="body.model")
        except LineFault as fault:
            if len(found) < _MOST_FAULTS:
                found.append(Fault(fault.told, fault.message, number, fault.param))
    if not total:
        return [Fault("empty_file", "the input file has no lines; send one request a line")]
    if total > MOST_LINES:
        return [Fault("too_many_tasks", f"the input file has {total:,} lines; a batch has at most {MOST_LINES:,}")]
    return found


def _model_of(body: bytes) -> str | None:
    """Return the model that a body names, or None if it names none."""
    try:
        model = _MODELLED.decode(body).model
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return model if isinstance(model, str) and model else None


def custom_id_of(line: bytes) -> str | None:
    """Return the custom id of any line, or None if it has none."""
    try:
        found = _NAMED.decode(line).custom_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, str) and len(found) <= _MOST_ID_CHARS else None


def _result(custom_id: str | None, result: Any) -> bytes:
    return msgspec.json.encode({"custom_id": custom_id or "", "result": result})


class _Requests(msgspec.Struct):
    requests: list[msgspec.Raw]


def file_of_requests(body: bytes) -> bytes:
    """Return the requests of a message batch as a file with one line for each.

    Raises:
        Invalid: the body is not of this form, has no requests, or two of one custom_id.
        TooLarge: there are too many.
    """
    try:
        found = msgspec.json.decode(body, type=_Requests)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"the body is no valid batch: {error}", param="requests") from error
    if not found.requests:
        raise Invalid("requests: send at least one request", param="requests")
    if len(found.requests) > MOST_LINES:
        raise TooLarge(f"requests: a batch has at most {MOST_LINES:,} requests; send several", param="requests")
    seen: set[str] = set()
    for number, one in enumerate(found.requests):
        try:
            name = AnthropicLines().read(bytes(one), endpoint=MESSAGES).custom_id
        except LineFault as fault:
            raise Invalid(f"requests.{number}: {fault.message}", param="requests") from fault
        if name in seen:
            raise Invalid(f"requests.{number}.custom_id: another request has this custom_id", param="requests")
        seen.add(name)
    return b"\n".join(bytes(raw(bytes(one))) for one in found.requests)

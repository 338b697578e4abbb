"""Reads the answers of providers: their status, their headers, and the bytes of their streams."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Final, Protocol

from headgate.kernel.errors import Upstream
from headgate.substrate.egress import Response
from headgate.wire.aws_event_stream import CONTENT_TYPE, EventStreamParser
from headgate.wire.dialect import ProviderDialect
from headgate.wire.provider import Framing
from headgate.wire.sse import SseEvent, SseParser

MAX_REPLY_BYTES: Final = 64 << 20
"""The largest answer that the gateway reads."""

_NONE: Final = frozenset[int]()
_MAX_ERROR_BYTES: Final = 64 << 10
_SSE_FIELD: Final = re.compile(rb"(?:data|event|id|retry)?:")
_FIELD_CHARS: Final = len("event:")


class StreamParser(Protocol):
    """Turns the bytes of one stream into its events."""

    def feed(self, data: bytes) -> Iterable[SseEvent]:
        """Yield the events that these bytes complete.

        Raises:
            Upstream: the bytes are not of the form, or they are an error of the provider.
        """
        ...

    def finish(self) -> SseEvent | None:
        """End the stream; return the last event if it was not terminated."""
        ...


class BytesParser:
    """Turns each piece of a stream without events into one event."""

    def feed(self, data: bytes) -> Iterable[SseEvent]:
        """Return the piece."""
        return (SseEvent("", data),)

    def finish(self) -> None:
        """Return None: every piece was returned."""


_STREAMS: Final = frozenset({"text/event-stream", CONTENT_TYPE})


def parser_of(response: Response, framing: Framing) -> StreamParser:
    """Return a parser for the stream in a response."""
    if framing == "bytes":
        return BytesParser()
    return EventStreamParser() if framing == "aws_event_stream" and _kind(response) == CONTENT_TYPE else SseParser()


async def raise_for_status(response: Response, dialect: ProviderDialect, *, answers: frozenset[int] = _NONE) -> None:
    """Raise the error of an answer that is none of a model.

    Args:
        answers: the error statuses that are answers.

    Raises:
        Upstream: the status is not a success.
    """
    if response.status < 300 or response.status in answers:
        return
    if response.status < 400:
        # Following it would send the key and the content to another host.
        raise Upstream(
            f"the provider's address answers with a redirect, status {response.status}, which is not followed;"
            " an administrator has to correct the deployment's base_url",
            upstream_status=response.status,
            retryable=True,
        )
    body = await response.read(limit=_MAX_ERROR_BYTES)
    headers = headers_of(response, dialect)
    error = dialect.read_error(response.status, headers=headers, body=body)
    limits = dialect.answer_headers.rate_limits
    error.headers = tuple((name, value) for name, value in headers.items() if name.startswith(limits))
    raise error


def refuse_foreign(response: Response) -> None:
    """Refuse an answer that is not from a model or that cannot be read.

    Raises:
        Upstream: the answer is a web page, which a proxy may have sent (retryable), or it is
            compressed.
    """
    kind = (response.headers.get("content-type") or "").lower()
    if kind.startswith("text/html"):
        raise Upstream("the provider's answer is a web page; a proxy may have sent it")
    encoding = (response.headers.get("content-encoding") or "identity").lower()
    if encoding != "identity":
        raise Upstream("the provider compressed its answer without being asked to", retryable=False)


def stream_of(response: Response, dialect: ProviderDialect, framing: Framing = "sse") -> AsyncIterator[bytes]:
    """Return the pieces of a stream, even if its content type is wrong or the answer is whole.

    Raises:
        Upstream: as `refuse_foreign`.
    """
    refuse_foreign(response)
    is_plain = framing == "bytes" or _kind(response) in _STREAMS
    return response.chunks() if is_plain else _told_by_its_start(response, dialect)


async def _told_by_its_start(response: Response, dialect: ProviderDialect) -> AsyncGenerator[bytes, None]:
    chunks, head = response.chunks(), b""
    async for chunk in chunks:
        head += chunk
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if start[:1] == b"{" or len(start) >= _FIELD_CHARS:
            break
    else:
        start = head.lstrip()
    if _SSE_FIELD.match(start) is not None:
        yield head
        async for chunk in chunks:
            yield chunk
        return
    if start[:1] != b"{":
        raise Upstream("the provider answered a stream request without a stream")
    body = [head]
    size_bytes = len(head)
    async for chunk in chunks:
        body.append(chunk)
        size_bytes += len(chunk)
        if size_bytes > MAX_REPLY_BYTES:
            raise Upstream(f"the provider's answer is larger than {MAX_REPLY_BYTES >> 20} MiB", retryable=False)
    yield dialect.replay(b"".join(body))


def headers_of(response: Response, dialect: ProviderDialect) -> dict[str, str]:
    """Return the headers that the dialect reads, with names in lower case."""
    read = dialect.answer_headers.read
    return {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in response.headers.pairs
        if name.decode("latin-1").lower().startswith(read)
    }


def _kind(response: Response) -> str:
    """Return the media type, without its parameters."""
    return (response.headers.get("content-type") or "").partition(";")[0].strip().lower()

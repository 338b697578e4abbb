"""Requests that no wire here models: `/passthrough/DEPLOYMENT/PATH`, with any method and body.

The path is that after the deployment's base URL. The text of JSON, forms and plain text is scanned
and masked; any other body is opaque. The address and the forwarded headers are scanned too, but never
masked, because the provider would not find a masked path: a request with such an address is refused.

An answer of the provider passes with its status, also an error about the request. A stream passes
event by event. Where the answer reports tokens in the form of a known wire, they are counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from headgate.kernel.content import Content, Segment
from headgate.kernel.errors import HeadgateError, Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY
from headgate.wire.dialect import AnswerHeaders, Match, Outgoing, Route
from headgate.wire.form_content import OpaqueContent, content_of
from headgate.wire.json_document import JsonDocument
from headgate.wire.model_call import JSON, ModelCall, ModelReply
from headgate.wire.multipart import is_form
from headgate.wire.one_answer import OneAnswer
from headgate.wire.openai_errors import read_upstream_error
from headgate.wire.openai_plane import OPENAI
from headgate.wire.provider import Endpoint
from headgate.wire.raw_stream import RAW, RawReader, RawWriter, usage_in
from headgate.wire.sse import frame

PREFIX: Final = "/passthrough/"

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_STATUSES: Final = frozenset({400, 404, 405, 406, 409, 410, 412, 413, 415, 416, 422})
RAW_ENDPOINT: Final = Endpoint(RAW, "/", accept="*/*", answers=_STATUSES)
"""The endpoint of these requests, at every provider."""

_TOLD: Final = (
    *("x-ratelimit-", "anthropic-ratelimit-", "x-request-id", "request-id", "openai-"),
    *("content-disposition", "retry-after", "cf-ray"),
)
_MAX_PATH_CHARS: Final = 2000
_UNFIT: Final = re.compile(r"[\x00-\x20\x7f\\%?#]|//")
_SAFE: Final = "/:@!$&'()*+,;=~-._"
_KEYS: Final = frozenset({"key", "api_key", "apikey", "api-key", "access_token", "token", "sig", "signature"})
_KEY_MAKERS: Final = frozenset({"realtime", "chatkit", "auth_tokens"})
"""Parts of paths where a provider issues keys for browsers, with which calls would go past this gateway.

Source: OpenAI's Realtime and ChatKit sessions, and Gemini's ephemeral tokens.
"""
_FORM: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,80}/[A-Za-z0-9!#$&^_.+-]{1,80}(?:;[ -~]{0,200})?")
_FORWARDED: Final = ("anthropic-version", "anthropic-beta", "openai-beta", "idempotency-key")
_FORWARDED_FORM: Final = re.compile(r"[A-Za-z0-9=,.; _-]{1,200}")


Pairs = tuple[tuple[str, str], ...]
"""The parameters of a query, in order."""


class RawContent(Content):
    """A request: its address, the headers that go with it, and its body as content."""

    __slots__ = ("_raw", "body", "headers", "method", "path", "query")

    def __init__(self, method: str, path: str, query: Pairs, body: Content, *, headers: Sequence[str] = ()) -> None:
        """Wrap a request; `headers` are the values of the headers that the provider gets."""
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        self.headers = headers
        self._raw: bytes | None = None

    @property
    def address(self) -> str:
        """The path with the query, percent-encoded, without the slash before it."""
        path = quote(self.path, safe=_SAFE)
        return f"{path}?{urlencode(self.query)}" if self.query else path

    def segments(self) -> Sequence[Segment]:
        """Return the path, the names and values of the query, the headers, and the strings of the body."""
        told = (self.path, *(text for pair in self.query for text in pair), *self.headers)
        return (*(Segment(text, "parameter") for text in told), *self.body.segments())

    def edit(self, texts: Mapping[int, str]) -> RawContent:
        """Return the request with strings of the body replaced.

        Raises:
            Invalid: the address or a header has a text that a rule masks.
        """
        first = 1 + 2 * len(self.query) + len(self.headers)
        if any(index < first for index in texts):
            raise Invalid("the address or a header has data that a rule masks; send it in the body")
        body = self.body.edit({index - first: text for index, text in texts.items()})
        return RawContent(self.method, self.path, self.query, body, headers=self.headers)

    def to_bytes(self) -> bytes:
        """Return the request with its address, for records and estimates."""
        if self._raw is None:
            self._raw = b"%b /%b\n\n%b" % (self.method.encode(), self.address.encode(), self.body.to_bytes())
        return self._raw

    @property
    def is_opaque(self) -> bool:
        """Whether the body is."""
        return self.body.is_opaque


class RawDialect(OneAnswer):
    """The dialect; implements `WholeDialect`. It has streams, and no chats."""

    __slots__ = ()

    manifest = Manifest("dialects", RAW, "Requests that are passed through as they are.")
    name = RAW
    plane = OPENAI
    routes = tuple(Route(method, f"{PREFIX}{{model}}", "raw", body="any") for method in _METHODS)
    quirks = EMPTY
    answer_headers = AnswerHeaders(
        rate_limits=("x-ratelimit-", "anthropic-ratelimit-"),
        request_ids=("x-request-id", "request-id"),
        others=("content-type", "content-disposition", "openai-", "cf-ray"),
    )

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match) -> ModelCall:
        """Decode and check a request; its model is the id of the deployment.

        Raises:
            Invalid: the address or the content type is invalid.
        """
        deployment, _, path = (match.model or "").partition("/")
        _check_address(deployment, path, match.pairs)
        media_type = headers.get("content-type", JSON if body else "")
        if body and _FORM.fullmatch(media_type) is None:
            raise Invalid("content-type must be one media type", param="content-type")
        content = content_of(body, media_type)
        forwarded = tuple(
            (name, headers[name]) for name in _FORWARDED if name in headers and _FORWARDED_FORM.fullmatch(headers[name])
        )
        # A boundary is random, and the dispatcher replaces an idempotency key by a digest.
        told = [value for name, value in forwarded if name != "idempotency-key"]
        told += [media_type] if ";" in media_type and not is_form(media_type) else []
        return ModelCall(
            wire=RAW,
            content=RawContent(match.method, path, match.pairs, content, headers=told),
            model=deployment,
            operation="raw",
            stream=_wants_stream(path, match.pairs, content),
            headers=forwarded,
            media_type=media_type,
        )

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the body."""
        return raw_content(call).body.to_bytes()

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Take any answer; one that is not of its media type's form is opaque."""
        media_type = headers.get("content-type", "application/octet-stream")
        content: Content
        try:
            content = content_of(body, media_type, is_answer=True)
        except HeadgateError:
            content = OpaqueContent(body)
        told = tuple((name, value) for name, value in headers.items() if name.startswith(_TOLD))
        value = content.value if isinstance(content, JsonDocument) else None
        return ModelReply(RAW, content, usage_in(value), "stop", told, media_type=media_type)

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return the provider's bytes."""
        return reply.content.to_bytes()

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours; one about the request keeps its status."""
        if status not in _STATUSES:
            return read_upstream_error(status, headers=headers, body=body)
        error = read_upstream_error(400, headers=headers, body=body)
        error.upstream_status, error.is_passed = status, True
        return error

    def read_events(self) -> RawReader:
        """Return a decoder for one stream."""
        return RawReader()

    def replay(self, body: bytes) -> bytes:
        """Return a whole answer as the only event of a stream."""
        return frame(body)

    def write_events(self, call: ModelCall, *, created: int = 0) -> RawWriter:
        """Return an encoder for the client that sent `call`."""
        return RawWriter()


def raw_content(call: ModelCall) -> RawContent:
    """Return the content of such a request.

    Raises:
        Invalid: the call has another content.
    """
    if not isinstance(call.content, RawContent):
        raise Invalid("the call is none that is passed through")
    return call.content


def _check_address(deployment: str, path: str, query: Pairs) -> None:
    if not deployment or not path:
        raise Invalid(f"the address must be {PREFIX}DEPLOYMENT/PATH", param="path")
    if len(path) > _MAX_PATH_CHARS or _UNFIT.search(path) or any(one in (".", "..") for one in path.split("/")):
        raise Invalid(
            f"the path after {PREFIX}{deployment}/ must be relative, without . or .. as a part, without //, and without"
            " encoded characters such as %2F",
            param="path",
        )
    if not _KEY_MAKERS.isdisjoint(path.lower().split("/")):
        raise Invalid(
            "the provider would answer with a key of its own, for calls that no rule or budget would see; Headgate"
            " passes no such request on",
            param="path",
        )
    for name, _ in query:
        if name.lower() in _KEYS:
            raise Invalid(
                f"{name}: Headgate adds the credential of the deployment; send none in the address", param=name
            )


def _wants_stream(path: str, query: Pairs, body: Content) -> bool:
    """Whether a request asks for a stream in the way of a known wire."""
    if path.endswith(":streamGenerateContent"):
        return ("alt", "sse") in query
    value: Any = body.value if isinstance(body, JsonDocument) else None
    return isinstance(value, dict) and value.get("stream") is True  # pyright: ignore[reportUnknownMemberType] - decoded JSON


dialect: Final = RawDialect()
"""The dialect of requests that are passed through."""

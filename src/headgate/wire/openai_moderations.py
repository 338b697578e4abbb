"""OpenAI's moderations, for clients and for upstreams: `POST /v1/moderations`.

A request without a model names OpenAI's own default, so an alias of that name answers it. An answer
holds categories and scores, and passes unchanged except for the model's name.

Source: schemas `CreateModerationRequest` and `CreateModerationResponse` of OpenAI's API document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY
from headgate.wire.dialect import Match, Outgoing, Route, WholeDialect
from headgate.wire.json_document import JsonDocument, Layout
from headgate.wire.model_call import ModelCall, ModelReply, Usage
from headgate.wire.one_answer import OneAnswer
from headgate.wire.openai_calls import read_model
from headgate.wire.openai_chat import ANSWER_HEADERS, kept_headers
from headgate.wire.openai_errors import read_upstream_error
from headgate.wire.openai_plane import OPENAI
from headgate.wire.openai_words import document_of
from headgate.wire.surrogates import parse_answer

NAME: Final = "openai_moderations"

_MODERATE: Final = Match("moderate")
_MAX_INPUTS: Final = 2048
_USUAL_MODEL: Final = "omni-moderation-latest"
_REQUEST: Final = Layout(
    known_keys=frozenset({"model", "input", "type", "text", "image_url", "url"}), fields={"input": "user"}
)
_REPLY: Final = Layout(
    known_keys=frozenset(
        {"id", "model", "results", "flagged", "categories", "category_scores", "category_applied_input_types"}
    )
)


class OpenAiModerations(OneAnswer):
    """The dialect; implements `WholeDialect`. It has no chats."""

    __slots__ = ()

    manifest = Manifest("dialects", NAME, "Moderations of OpenAI and of every server that speaks them.")
    name = NAME
    plane = OPENAI
    routes = (Route("POST", "/v1/moderations", "moderate"),)
    quirks = EMPTY
    answer_headers = ANSWER_HEADERS

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = _MODERATE) -> ModelCall:
        """Decode and check a request.

        Raises:
            Invalid: a field is invalid; `param` names it.
        """
        document = JsonDocument.parse(body, layout=_REQUEST)
        fields = document.fields()
        model = read_model({"model": _USUAL_MODEL, **fields})
        if not _is_input(fields.get("input")):
            raise Invalid("input must be a string, or a list of strings or of parts", param="input")
        return ModelCall(wire=NAME, content=document, model=model, operation="moderate")

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the client's bytes with the deployment's model."""
        return document_of(call.content, _REQUEST).edit_fields({("model",): msgspec.json.encode(outgoing.model)}).raw

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Check an answer.

        Raises:
            Upstream: the answer holds no results.
        """
        try:
            document = parse_answer(body, _REPLY)
            results = document.fields().get("results")
        except Invalid as error:
            raise Upstream("the provider's answer holds no moderations") from error
        if not isinstance(results, list):
            raise Upstream("the provider's answer holds no moderations")
        return ModelReply(NAME, document, Usage(0, 0), "stop", kept_headers(headers))

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return the provider's bytes with the alias in place of its model name."""
        return document_of(reply.content, _REPLY).edit_fields({("model",): msgspec.json.encode(model)}).raw

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)


def _is_input(value: Any) -> bool:
    if isinstance(value, str):
        return True
    items = cast("list[Any]", value) if isinstance(value, list) else []
    is_short = 0 < len(items) <= _MAX_INPUTS
    return is_short and (all(isinstance(one, str) for one in items) or all(isinstance(one, dict) for one in items))


dialect: Final[WholeDialect] = OpenAiModerations()
"""The dialect of moderations."""

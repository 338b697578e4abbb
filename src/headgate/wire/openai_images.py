"""OpenAI's images, for clients and for upstreams: `POST /v1/images/generations`, `edits` and `variations`.

The prompt is scanned and masked. An image that a client sends or gets back in the body is content
that no scan reads, so it is labelled `unscanned`. An image by URL is elsewhere already, and has no
label. Images are not streamed.

Source: schemas `CreateImageRequest`, `CreateImageEditRequest`, `CreateImageVariationRequest` and
`ImagesResponse` of OpenAI's API document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

import msgspec

from headgate.kernel.errors import HeadgateError, Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY
from headgate.wire.dialect import Match, Outgoing, Route, WholeDialect
from headgate.wire.form_content import FormContent, form_of
from headgate.wire.json_document import MAX_BODY_BYTES, JsonDocument, Layout
from headgate.wire.model_call import ModelCall, ModelReply, Usage
from headgate.wire.one_answer import OneAnswer
from headgate.wire.openai_calls import read_model
from headgate.wire.openai_chat import ANSWER_HEADERS, kept_headers
from headgate.wire.openai_errors import read_upstream_error
from headgate.wire.openai_plane import OPENAI
from headgate.wire.openai_words import document_of
from headgate.wire.token_counts import count_of, object_of

NAME: Final = "openai_images"

_IMAGE: Final = Match("image")
_USUAL_MODEL: Final = "dall-e-2"
_USUAL_SIZE: Final = "1024x1024"
_MOST_IMAGES: Final = 10
_READ: Final = ("model", "n", "size", "quality", "stream")
"""The fields of a form that this dialect reads."""
_WORD: Final = re.compile(r"[a-z0-9_-]{1,20}")
_KEYS: Final = frozenset(
    {
        *("model", "prompt", "n", "size", "quality", "response_format", "style", "background", "output_format"),
        *("output_compression", "moderation", "user", "stream", "partial_images"),
        *("created", "data", "b64_json", "url", "revised_prompt", "usage", "input_tokens", "output_tokens"),
        *("total_tokens", "input_tokens_details", "text_tokens", "image_tokens"),
    }
)
_REQUEST: Final = Layout(known_keys=_KEYS, fields={"prompt": "user"})
_REPLY: Final = Layout(known_keys=_KEYS, fields={"data": "assistant"}, media_keys={"b64_json": None})


class OpenAiImages(OneAnswer):
    """The dialect; implements `WholeDialect`. It has no chats."""

    __slots__ = ()

    manifest = Manifest("dialects", NAME, "Images of OpenAI and of every server that speaks them.")
    name = NAME
    plane = OPENAI
    routes = (
        Route("POST", "/v1/images/generations", "image"),
        Route("POST", "/v1/images/edits", "image_edit", body="form"),
        Route("POST", "/v1/images/variations", "image_variation", body="form"),
    )
    quirks = EMPTY
    answer_headers = ANSWER_HEADERS

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = _IMAGE) -> ModelCall:
        """Decode and check a request.

        Raises:
            Invalid: a field is invalid; `param` names it.
        """
        if match.body == "form":
            content = form_of(body, headers)
            form = content.form
            if match.operation == "image_edit" and not form.text("prompt"):
                raise Invalid("prompt must be a string", param="prompt")
            if not form.files():
                raise Invalid("image must be a file", param="image")
            # Another server may take another one of two parts with a name, or a file as a field.
            given = {name: form.text(name) for name in _READ}
            fields: Mapping[str, Any] = {name: text for name, text in given.items() if text is not None}
            call = ModelCall(NAME, content, read_model({"model": _USUAL_MODEL, **fields}), match.operation)
            return _counted(call, fields, media_type=form.content_type)
        document = JsonDocument.parse(body, layout=_REQUEST)
        fields = document.fields()
        if not isinstance(fields.get("prompt"), str):
            raise Invalid("prompt must be a string", param="prompt")
        call = ModelCall(NAME, document, read_model({"model": _USUAL_MODEL, **fields}), match.operation)
        return _counted(call, fields, media_type=call.media_type)

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the client's bytes with the deployment's model."""
        if isinstance(call.content, FormContent):
            return call.content.form.with_texts({"model": outgoing.model}).to_bytes()
        return document_of(call.content, _REQUEST).edit_fields({("model",): msgspec.json.encode(outgoing.model)}).raw

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Check an answer.

        Raises:
            Upstream: the answer holds no images.
        """
        try:
            document = JsonDocument.parse(body, layout=_REPLY, max_bytes=2 * MAX_BODY_BYTES)
            fields = document.fields()
        except HeadgateError as error:
            raise Upstream("the provider's answer holds no images") from error
        images: Any = fields.get("data")
        if not isinstance(images, list):
            raise Upstream("the provider's answer holds no images")
        tokens = object_of(fields.get("usage"))
        return ModelReply(
            wire=NAME,
            content=document,
            usage=Usage(
                count_of(tokens.get("input_tokens")),
                count_of(tokens.get("output_tokens")),
                counts=(("images", len(cast("list[Any]", images))),),
                variant=_variant(fields) if "size" in fields else "",
            ),
            stop_reason="stop",
            headers=kept_headers(headers),
        )

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return the provider's bytes, which name no model."""
        return reply.content.to_bytes()

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)


def _counted(call: ModelCall, fields: Mapping[str, Any], *, media_type: str) -> ModelCall:
    """Return the call with the number of its images, and their quality and size."""
    if fields.get("stream") not in (None, False, "false"):
        raise Invalid("stream: Headgate streams no images; leave it out", param="stream")
    given = fields.get("n")
    count = 1 if given is None else count_of(given)
    if count is None or isinstance(given, float) or not 1 <= count <= _MOST_IMAGES:
        raise Invalid(f"n must be a whole number from 1 to {_MOST_IMAGES}", param="n")
    return replace(call, counts=(("images", count),), variant=_variant(fields), media_type=media_type)


def _variant(fields: Mapping[str, Any]) -> str:
    """Return the quality and size of images, such as `high/1024x1024`; the usual size if none is named."""
    size, quality = _word(fields.get("size")) or _USUAL_SIZE, _word(fields.get("quality"))
    return f"{quality}/{size}" if quality else size


def _word(value: Any) -> str:
    is_named = isinstance(value, str) and value != "auto" and _WORD.fullmatch(value) is not None
    return cast("str", value) if is_named else ""


dialect: Final[WholeDialect] = OpenAiImages()
"""The dialect of images."""

"""Embeddings of Gemini's wire, and their way to and from OpenAI's."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest

from headgate.kernel.errors import Invalid, Upstream
from headgate.wire.dialect import Match, Outgoing
from headgate.wire.dialects import load_dialects
from headgate.wire.embedding import EmbeddingTexts, Vectors
from headgate.wire.gemini_embeddings import dialect
from headgate.wire.model_call import ModelCall, Usage
from headgate.wire.openai_embeddings import dialect as openai

EMBED = Match("embed", "our-alias")
BOTH = load_dialects()
OPENAI = BOTH.embeddings["openai_embeddings"]


def call(**fields: Any) -> ModelCall:
    """A client's call."""
    return dialect.read_call(json.dumps(fields).encode(), headers={}, match=EMBED)


def content(*texts: str) -> Any:
    """A content with these texts."""
    return {"parts": [{"text": text} for text in texts]}


def test_both_methods_are_read_and_scanned() -> None:
    one = call(content=content("a red", " house"), output_dimensionality=16, taskType="RETRIEVAL_QUERY", title="t")
    assert dialect.to_texts(one.content) == EmbeddingTexts(("a red house",), 16, "RETRIEVAL_QUERY", ("title",))
    several = call(requests=[{"model": "models/x", "content": content(text)} for text in "ab"])
    assert dialect.to_texts(several.content) == EmbeddingTexts(("a", "b"))
    assert (several.model, several.operation, several.stream) == ("our-alias", "embed", False)
    texts = {segment.text: segment.origin for segment in several.content.segments()}
    assert (texts["a"], texts["our-alias"]) == ("user", "parameter")


WRONG: list[Any] = [
    {},
    {"content": {}},
    {"content": {"parts": [{"inlineData": {}}]}},
    {"requests": []},
    {"requests": ["x"]},
    {"requests": "x"},
    {"requests": [{"content": content("x")}] * 2049},
]


@pytest.mark.parametrize("fields", WRONG)
def test_a_wrong_request_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        call(**fields)


def test_a_provider_is_asked_for_several_texts() -> None:
    texts = EmbeddingTexts(("a", "b"), 16, "CLUSTERING")
    shared = {"model": "models/up", "taskType": "CLUSTERING", "outputDimensionality": 16}
    assert json.loads(dialect.from_texts(texts, Outgoing("models/up"))) == {
        "requests": [{**shared, "content": content(text)} for text in "ab"]
    }
    assert dialect.unsaid_of_texts(texts) == ()
    plain = json.loads(dialect.from_texts(EmbeddingTexts(("a",)), Outgoing("up")))
    assert plain == {"requests": [{"model": "models/up", "content": content("a")}]}


def test_the_answer_has_the_form_of_the_method() -> None:
    reply = dialect.read_reply(
        b'{"embeddings":[{"values":[1,0.5]}],"usageMetadata":{"promptTokenCount":4}}', headers={"x-request-id": "q"}
    )
    assert (reply.usage, reply.headers) == (Usage(4, 0), (("x-request-id", "q"),))
    vectors = dialect.to_vectors(reply)
    assert vectors == Vectors([[1.0, 0.5]], Usage(4, 0))
    one, several = call(content=content("a")), call(requests=[{"content": content("a")}])
    usage = {"usageMetadata": {"promptTokenCount": 4}}
    assert json.loads(BOTH.render_reply(reply, wire="gemini_embeddings", model="m", call=one)) == {
        "embedding": {"values": [1.0, 0.5]},
        **usage,
    }
    assert json.loads(dialect.from_vectors(vectors, model="m", call=several)) == {
        "embeddings": [{"values": [1.0, 0.5]}],
        **usage,
    }
    bare = dialect.to_vectors(dialect.read_reply(b'{"embedding":{"values":[1]}}', headers={}))
    assert bare.vectors == [[1.0]]
    assert json.loads(dialect.from_vectors(Vectors([], Usage()), model="m", call=one)) == {"embedding": {}}


@pytest.mark.parametrize("body", [b"{}", b"no", b'{"embedding":7}'])
def test_an_answer_without_vectors_is_refused(body: bytes) -> None:
    with pytest.raises(Upstream):
        dialect.read_reply(body, headers={})
    assert dialect.read_error(429, headers={}, body=body).upstream_status == 429


def test_embeddings_have_no_chats() -> None:
    for refused in (
        dialect.read_events,
        lambda: dialect.rename_tools(dialect.read_reply(b'{"embeddings":[]}', headers={}), {}),
    ):
        with pytest.raises(Invalid, match="neither streamed"):
            refused()


def openai_call(**fields: Any) -> ModelCall:
    """A call of OpenAI's wire."""
    return openai.read_call(json.dumps({"model": "our-alias", **fields}).encode(), headers={}, match=EMBED)


def test_a_request_of_openais_wire_crosses() -> None:
    one = openai_call(input="a", dimensions=8, user="u")
    assert OPENAI.to_texts(one.content) == EmbeddingTexts(("a",), 8, dropped=("user",))
    assert OPENAI.to_texts(openai_call(input=["a", "b"]).content).texts == ("a", "b")
    with pytest.raises(Invalid, match="token ids"):
        OPENAI.to_texts(openai_call(input=[1, 2]).content)
    said = json.loads(OPENAI.from_texts(EmbeddingTexts(("a",), 8, "X"), Outgoing("up")))
    assert said == {"model": "up", "input": ["a"], "encoding_format": "float", "dimensions": 8}
    assert "dimensions" not in json.loads(OPENAI.from_texts(EmbeddingTexts(("a",)), Outgoing("up")))
    assert OPENAI.unsaid_of_texts(EmbeddingTexts(("a",), task="X")) == ("task",)
    assert OPENAI.unsaid_of_texts(EmbeddingTexts(("a",))) == ()


def test_vectors_cross_as_numbers_and_as_base64() -> None:
    """Trap 15."""
    vectors = Vectors([[1.0, 0.5]], Usage(4, 0))
    plain = json.loads(OPENAI.from_vectors(vectors, model="m", call=openai_call(input="a")))
    assert plain["data"] == [{"object": "embedding", "index": 0, "embedding": [1.0, 0.5]}]
    assert plain["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    packed = openai_call(input="a", encoding_format="base64")
    said = json.loads(OPENAI.from_vectors(vectors, model="m", call=packed))["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(said)) == (1.0, 0.5)


def test_vectors_of_openais_wire_are_read_in_their_order() -> None:
    body = b'{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":4}}'
    assert OPENAI.to_vectors(openai.read_reply(body, headers={})) == Vectors([[1.0], [2.0]], Usage(4, 0))
    with pytest.raises(Upstream):
        OPENAI.to_vectors(openai.read_reply(b'{"data":[{"embedding":"AAAA"}]}', headers={}))

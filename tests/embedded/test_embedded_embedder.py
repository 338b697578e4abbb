"""The embedder against a plain numpy reading of the same network, and over the OpenAI wire."""

from __future__ import annotations

import base64
import json
import math
import select
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI

from headgate.gateway.embedded.bert import BertShape
from headgate.gateway.embedded.embedder import Embedder, batches
from headgate.gateway.embedded.safetensors import map_floats
from headgate.gateway.embedded.weights import find_weights

from .conftest import EMBED, ModelProcess

Floats = npt.NDArray[np.float64]

TEXTS = [
    "A cat sits on the mat.",
    "A feline is resting on a rug.",
    "The central bank raised interest rates by half a percent.",
    "naïve café 東京 " + "word " * 90,
    "x",
]


class NumpyBert:
    """The network as the paper writes it, one sentence at a time, in double precision."""

    def __init__(self, folder: Path) -> None:
        self._shape = msgspec.json.decode((folder / "config.json").read_bytes(), type=BertShape)
        self._weights = {name: w.astype(np.float64) for name, w in map_floats(folder / "model.safetensors").items()}

    def embed(self, tokens: list[int]) -> Floats:
        states = (
            self._w("embeddings.word_embeddings")[tokens] + self._w("embeddings.position_embeddings")[: len(tokens)]
        )
        states = self._norm(states + self._w("embeddings.token_type_embeddings")[0], "embeddings.LayerNorm")
        for number in range(self._shape.num_hidden_layers):
            states = self._layer(states, f"encoder.layer.{number}.")
        mean = states.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def _layer(self, states: Floats, prefix: str) -> Floats:
        heads = self._shape.num_attention_heads
        query, key, value = (
            self._linear(states, f"{prefix}attention.self.{part}").reshape(len(states), heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (weights / weights.sum(axis=-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(states), -1)
        attended = self._linear(mixed, f"{prefix}attention.output.dense")
        states = self._norm(states + attended, f"{prefix}attention.output.LayerNorm")
        inner = self._linear(states, f"{prefix}intermediate.dense")
        inner = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        return self._norm(states + self._linear(inner, f"{prefix}output.dense"), f"{prefix}output.LayerNorm")

    def _w(self, name: str) -> Floats:
        return self._weights[f"{name}.weight"]

    def _linear(self, states: Floats, name: str) -> Floats:
        return states @ self._w(name).T + self._weights[f"{name}.bias"]

    def _norm(self, states: Floats, name: str) -> Floats:
        centred = states - states.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self._shape.layer_norm_eps)
        return scaled * self._w(name) + self._weights[f"{name}.bias"]


def vectors(models: ModelProcess, given: Any, **options: Any) -> npt.NDArray[np.float32]:
    answer = models.embed(given, **options)
    assert answer.status == 200, answer.body
    return np.array([item["embedding"] for item in answer.body["data"]], np.float32)


def test_vectors_agree_with_a_plain_reading_of_the_same_network(models: ModelProcess) -> None:
    folder = find_weights().embedder_folder
    embedder, reference = Embedder(folder, threads=1), NumpyBert(folder)
    expected = np.array([reference.embed(embedder.sentence(text)) for text in TEXTS])
    assert np.abs(vectors(models, TEXTS) - expected).max() < 1e-5


def test_related_sentences_are_closer_than_unrelated_ones(models: ModelProcess) -> None:
    cat, feline, bank = vectors(models, TEXTS[:3])
    assert cat @ feline > 0.5 > 0.2 > cat @ bank


def test_a_text_has_the_same_vector_alone_and_in_a_batch(models: ModelProcess) -> None:
    together = vectors(models, TEXTS * 10)
    alone = np.concatenate([vectors(models, text) for text in TEXTS])
    assert np.abs(together - np.tile(alone, (10, 1))).max() < 1e-5
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_base64_holds_the_same_numbers_as_floats(models: ModelProcess) -> None:
    data = models.embed(TEXTS[:2], encoding_format="base64").body["data"]
    decoded = np.array([np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in data])
    assert np.abs(decoded - vectors(models, TEXTS[:2])).max() < 1e-6


@pytest.mark.parametrize("given", [[1, 2], [[1, 2], [3]], ["a", [1]], ["a", 1]])
def test_token_numbers_of_other_models_are_refused_with_the_reason(models: ModelProcess, given: Any) -> None:
    refusal = models.embed(given)
    assert (refusal.status, refusal.body["error"]["param"]) == (400, "input")
    assert "vocabulary of its own" in refusal.body["error"]["message"]


def test_usage_counts_the_tokens_that_the_network_saw(models: ModelProcess) -> None:
    assert models.embed("hello world").body["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert models.embed("word " * 254).body["usage"]["prompt_tokens"] == 256


@pytest.mark.parametrize(
    ("text", "tokens"), [("word " * 255, "257"), ("word " * 100_000, "far more"), ("x" * 70_000, "")]
)
def test_a_text_beyond_256_tokens_is_refused_in_the_words_that_clients_know(
    models: ModelProcess, text: str, tokens: str
) -> None:
    error = models.embed(["short", text]).body["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "input")
    assert "maximum context length is 256 tokens" in error["message"]
    assert tokens in error["message"]


def test_what_is_null_is_as_good_as_left_out_and_what_changes_nothing_is_named(models: ModelProcess) -> None:
    body = {"model": EMBED, "input": "x", "encoding_format": None, "dimensions": None, "user": "u", "truncate": "END"}
    with models.open("POST", "/v1/embeddings", body) as response:
        assert response.status == 200
        assert response.headers["x-headgate-dropped"] == "truncate"
        assert len(json.loads(response.read())["data"][0]["embedding"]) == 384


def test_the_unmodified_openai_client_embeds(models: ModelProcess) -> None:
    with OpenAI(base_url=f"http://{models.address}/v1", api_key="none", max_retries=0) as client:
        answer = client.embeddings.create(model=EMBED, input=TEXTS[:2])
    assert np.abs(np.array([item.embedding for item in answer.data]) - vectors(models, TEXTS[:2])).max() < 1e-6


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"input": "x", "dimensions": 256}, "dimensions"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", " \n"]}, "input"),
        ({"input": None}, "input"),
        ({"input": "x", "dimensions": 0}, "dimensions"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "x", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "x", "model": "other"}, "model"),
    ],
)
def test_what_cannot_be_embedded_is_refused_by_field(models: ModelProcess, options: dict[str, Any], param: str) -> None:
    refusal = models.ask("POST", "/v1/embeddings", {"model": EMBED, **options})
    assert refusal.status in (400, 404)
    assert refusal.body["error"]["param"] == param


def test_others_are_served_while_thousands_of_texts_are_embedded(models: ModelProcess) -> None:
    connection = HTTPConnection(models.address)
    connection.request("POST", "/v1/embeddings", json.dumps({"model": EMBED, "input": ["word " * 200] * 1000}))
    assert models.chat("Hi", max_tokens=2).status == 200
    assert models.embed("a short text").status == 200
    is_finished = bool(select.select([connection.sock], [], [], 0)[0])
    connection.close()
    assert not is_finished  # it takes 50 s


@given(st.lists(st.integers(2, 256), max_size=60))
def test_batches_hold_every_position_once_within_the_budget(lengths: list[int]) -> None:
    groups = list(batches(lengths))
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    assert all(len(group) * max(lengths[place] for place in group) <= 2048 for group in groups)


@given(st.binary(max_size=64))
def test_a_file_that_is_no_safetensors_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    path.write_bytes((1 << 40).to_bytes(8, "little") + content)
    with pytest.raises(ValueError, match="not a safetensors file"):
        map_floats(path)

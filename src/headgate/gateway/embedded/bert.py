"""The embedder's network: BERT, post-norm, exact GELU.

Weights keep the names and the layout of the safetensors file (a linear layer is `(out, in)`), so
the build copies and transposes nothing. Source: Devlin et al., 2019; config.json of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from headgate.gateway.embedded.onnx import FLOAT, INT32, INT64, Graph, Port

TOKENS, MASK, STATES = "tokens", "mask", "states"


class BertShape(msgspec.Struct, frozen=True):
    """The size of the network, from `config.json`."""

    hidden_size: int
    num_attention_heads: int
    num_hidden_layers: int
    layer_norm_eps: float
    vocab_size: int


def bert_model(shape: BertShape, weights: Mapping[str, Sequence[int]]) -> bytes:
    """Return the ONNX model of the network.

    Its inputs are tokens `(batch, length)` and a 0/1 mask of the same shape; its output is states
    `(batch, length, hidden)`.

    Args:
        shape: the size of the network.
        weights: the shape of every tensor of the safetensors file by its name.
    """
    return _Bert(shape, weights).build()


class _Bert:
    def __init__(self, shape: BertShape, weights: Mapping[str, Sequence[int]]) -> None:
        self._shape, self._weights = shape, weights
        self._graph = Graph(
            inputs=[Port(TOKENS, INT64, ("batch", "length")), Port(MASK, INT32, ("batch", "length"))],
            outputs=[Port(STATES, FLOAT, ("batch", "length", shape.hidden_size))],
        )

    def build(self) -> bytes:
        graph = self._graph
        self._eps = float(self._shape.layer_norm_eps)
        flat = graph.constant("flat", [-1, self._shape.hidden_size])
        hidden = graph.constant("hidden", [self._shape.hidden_size])
        batched = graph.node("Concat", graph.node("Shape", TOKENS), hidden, axis=0)
        states = graph.node("Reshape", self._embeddings(), flat)
        for number in range(self._shape.num_hidden_layers):
            states = self._layer(states, f"encoder.layer.{number}", batched=batched, flat=flat)
        graph.rename(graph.node("Reshape", states, batched), STATES)
        return graph.model({"": 20, "com.microsoft": 1})

    def _embeddings(self) -> str:
        graph, zero, one = self._graph, self._graph.constant("zero", [0]), self._graph.constant("one", [1])
        words = graph.node("Gather", self._weight("embeddings.word_embeddings.weight"), TOKENS, axis=0)
        length = graph.node("Slice", graph.node("Shape", TOKENS), one, graph.constant("two", [2]))
        places = graph.node("Slice", self._weight("embeddings.position_embeddings.weight"), zero, length, zero)
        # Every token has the first segment type, because sentences are never embedded in pairs.
        segment = graph.node("Slice", self._weight("embeddings.token_type_embeddings.weight"), zero, one, zero)
        summed = graph.node("Add", words, graph.node("Add", places, segment))
        return self._norm(summed, "embeddings.LayerNorm")

    def _layer(self, states: str, prefix: str, *, batched: str, flat: str) -> str:
        graph = self._graph
        query, key, value = (
            graph.node("Reshape", self._linear(states, f"{prefix}.attention.self.{part}"), batched)
            for part in ("query", "key", "value")
        )
        mixed = graph.node(
            "MultiHeadAttention", query, key, value, "", MASK,
            domain="com.microsoft", num_heads=self._shape.num_attention_heads,
        )  # fmt: skip
        attended = self._linear(graph.node("Reshape", mixed, flat), f"{prefix}.attention.output.dense")
        states = self._norm(graph.node("Add", attended, states), f"{prefix}.attention.output.LayerNorm")
        inner = graph.node("Gelu", self._linear(states, f"{prefix}.intermediate.dense"))
        return self._norm(
            graph.node("Add", self._linear(inner, f"{prefix}.output.dense"), states), f"{prefix}.output.LayerNorm"
        )

    def _weight(self, name: str) -> str:
        return self._graph.outside(name, self._weights[name])

    def _linear(self, states: str, name: str) -> str:
        weight, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return self._graph.node("Gemm", states, weight, bias, transB=1)

    def _norm(self, states: str, name: str) -> str:
        scale, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return self._graph.node("LayerNormalization", states, scale, bias, axis=-1, epsilon=self._eps)

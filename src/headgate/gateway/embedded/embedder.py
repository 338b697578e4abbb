"""The embedder: MiniLM on onnxruntime, mean pooling, unit length.

It builds the network in memory (18 kB, 3 ms) over memory-mapped weights, so it converts no file.
Every method blocks: call them from the embedder's own thread, one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from tokenizers import Tokenizer

from headgate.gateway.embedded.bert import MASK, STATES, TOKENS, BertShape, bert_model
from headgate.gateway.embedded.overflow import context_overflow
from headgate.gateway.embedded.safetensors import map_floats
from headgate.kernel.errors import Invalid

MAX_TOKENS = 256  # Source: sentence_bert_config.json of the model

# Longer texts are refused before tokenizing, which bounds its work; no real text this long fits.
_MAX_SEEN_CHARS = MAX_TOKENS * 256
# Larger batches are no faster on a CPU and cost memory: measured flat from 1,024 to 8,192.
_BATCH_TOKENS = 2048


class Embedder:
    """The loaded embedder.

    Args:
        folder: `model.safetensors`, `tokenizer.json` and `config.json`.
        threads: how many threads one forward pass uses.
    """

    def __init__(self, folder: Path, *, threads: int) -> None:
        shape = msgspec.json.decode((folder / "config.json").read_bytes(), type=BertShape)
        self.dimensions = shape.hidden_size
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._begin, self._end = (cast(int, self._tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]"))
        self._weights = map_floats(folder / "model.safetensors")  # the session reads these pages; keep them mapped
        self._session = _session(shape, self._weights, threads=threads)

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of the whole text, without the start and end tokens."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def sentence(self, text: str) -> list[int]:
        """Return the network's input for a text: its tokens, with start and end tokens.

        Raises:
            Invalid: the text is empty.
            ContextOverflow: the text exceeds the network's context. It is not truncated, because
                the vector would represent only its beginning.
        """
        tokens = self.tokens(text[:_MAX_SEEN_CHARS])
        if not tokens:
            raise Invalid("An input to embed is empty; leave it out or send some text.", param="input")
        if len(text) > _MAX_SEEN_CHARS or len(tokens) > MAX_TOKENS - 2:
            raise context_overflow(
                None if len(text) > _MAX_SEEN_CHARS else len(tokens) + 2, limit=MAX_TOKENS, param="input"
            )
        return [self._begin, *tokens, self._end]

    def embed(self, sentences: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Return vectors `(n, dimensions)` of unit length for one batch of sentences."""
        longest = max(len(sentence) for sentence in sentences)
        tokens = np.zeros((len(sentences), longest), np.int64)
        mask = np.zeros((len(sentences), longest), np.int32)
        for row, sentence in enumerate(sentences):
            tokens[row, : len(sentence)] = sentence
            mask[row, : len(sentence)] = 1
        states = cast("list[npt.NDArray[np.float32]]", self._session.run([STATES], {TOKENS: tokens, MASK: mask}))[0]
        return pool(states, mask)


def pool(states: npt.NDArray[np.float32], mask: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """Return the mean of the states `(n, length, d)` where the mask is 1, scaled to unit length."""
    means = np.einsum("nld,nl->nd", states, mask.astype(np.float32)) / mask.sum(axis=1, keepdims=True)
    return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield batches of positions with little padding: sorted by length, within the token budget."""
    group: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if group and (len(group) + 1) * lengths[group[0]] > _BATCH_TOKENS:
            yield group
            group = []
        group.append(position)
    if group:
        yield group


def _session(shape: BertShape, weights: dict[str, npt.NDArray[np.float32]], *, threads: int) -> ort.InferenceSession:
    options = cast(Any, ort).SessionOptions()  # a compiled class without types
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would take CPU time from the chat model.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    used = [name for name in weights if not name.startswith("pooler.")]
    values = [ort.OrtValue.ortvalue_from_numpy(weights[name]) for name in used]
    options.add_external_initializers(used, values)
    model = bert_model(shape, {name: tensor.shape for name, tensor in weights.items()})
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

"""The Vaswani collection: abstracts about electronics, and questions with their relevant abstracts."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.machine import REPOSITORY, WORK
from benchmarks.processes import NotMeasured
from headgate.gateway.embedded.embedder import Embedder, batches
from headgate.gateway.embedded.overflow import ContextOverflow
from headgate.gateway.embedded.weights import find_weights

DATASETS = Path(os.environ.get("HEADGATE_DATASETS", REPOSITORY.parent / "shared" / "data"))

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the places of its relevant texts in the collection."""

    id: str
    text: str
    relevant: frozenset[int]


@dataclass(frozen=True, slots=True)
class Judged:
    """Texts and questions."""

    texts: Sequence[str]
    questions: Sequence[Question]


def vaswani() -> Judged:
    """Return the collection.

    Raises:
        NotMeasured: it is not there.
    """
    path = DATASETS / "retrieval" / "vaswani.json"
    if not path.exists():
        raise NotMeasured("the collection retrieval/vaswani.json is not below HEADGATE_DATASETS")
    raw = json.loads(path.read_text())
    places = {name: place for place, (name, _) in enumerate(raw["docs"])}
    relevant: dict[str, set[int]] = {}
    for question, _, name, grade in raw["qr"]:
        if int(grade) > 0:
            relevant.setdefault(question, set()).add(places[name])
    questions = [Question(name, text, frozenset(relevant[name])) for name, text in raw["qs"] if name in relevant]
    return Judged([text for _, text in raw["docs"]], questions)


def vectors(texts: Sequence[str], *, threads: int = 2) -> Vectors:
    """Return MiniLM's vectors `(n, 384)` of unit length; they are kept in `benchmarks/.work`."""
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    path = WORK / f"minilm-{digest}.npy"
    if path.exists():
        return np.load(path)
    embedder = Embedder(find_weights().embedder_folder, threads=threads)
    sentences = [_sentence(embedder, text) for text in texts]
    found = np.empty((len(texts), embedder.dimensions), np.float32)
    for batch in batches([len(sentence) for sentence in sentences]):
        found[batch] = embedder.embed([sentences[place] for place in batch])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, found)
    return found


def _sentence(embedder: Embedder, text: str) -> list[int]:
    """Return the input of the network for as much of the text as it takes."""
    while True:
        try:
            return embedder.sentence(text)
        except ContextOverflow:
            text = text[: len(text) * 9 // 10]


def ndcg(ranking: Sequence[int], relevant: Collection[int], *, depth: int = 10) -> float:
    """Return the normalised discounted cumulative gain of a ranking, with gains of 0 and 1."""
    gain = sum(1 / math.log2(rank + 2) for rank, place in enumerate(ranking[:depth]) if place in relevant)
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(depth, len(relevant))))

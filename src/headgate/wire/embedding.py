"""The typed form of embeddings, built only to translate between wire formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headgate.wire.model_call import Usage


@dataclass(frozen=True, slots=True)
class EmbeddingTexts:
    """The texts of a request.

    Args:
        dimensions: the length of each vector, or None for the model's own.
        task: Google's name of the purpose of the vectors, such as `RETRIEVAL_QUERY`.
        dropped: the names of the fields without a typed form.
    """

    texts: tuple[str, ...]
    dimensions: int | None = None
    task: str | None = None
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vectors:
    """The vectors of an answer, in the order of the texts."""

    vectors: Sequence[Sequence[float]]
    usage: Usage

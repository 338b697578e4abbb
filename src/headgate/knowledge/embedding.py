"""Embedding texts: a model call like any other, in the wire of OpenAI's embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from headgate.kernel.action import Resource
from headgate.kernel.errors import Invalid
from headgate.kernel.labels import BOTTOM, Labels
from headgate.kernel.run import Run
from headgate.knowledge.index import Vector
from headgate.wire.dialect import Match
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import MODEL_INVOKE, ModelCall

_WIRE = "openai_embeddings"
AT_ONCE = 64
"""The limit of texts in one call."""
DIMENSIONS = 384
"""The length of the vectors of the index."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """Embeds texts by an alias, as an action within another one."""

    dialects: Dialects
    alias: str = "local-embed"

    async def vectors(self, run: Run[Any, Any, Any], texts: Sequence[str], *, floor: Labels = BOTTOM) -> list[Vector]:
        """Return the vectors of texts, in their order.

        Args:
            floor: labels of texts that are not the content of the action.

        Raises:
            HeadgateError: the call was refused or failed.
            Invalid: the model's vectors have another length than the index.
        """
        found: list[Sequence[float]] = []
        for start in range(0, len(texts), AT_ONCE):
            call = self._call(texts[start : start + AT_ONCE])
            reply = await run.perform(MODEL_INVOKE, Resource("alias", self.alias), call, floor=floor)
            found += self.dialects.embeddings[reply.wire].to_vectors(reply).vectors
        if any(len(one) != DIMENSIONS for one in found) or len(found) != len(texts):
            raise Invalid(
                f"the model behind {self.alias} answers other vectors than the index has; name one with {DIMENSIONS}"
            )
        return [np.asarray(one, np.float32) for one in found]

    def _call(self, texts: Sequence[str]) -> ModelCall:
        body = msgspec.json.encode({"model": self.alias, "input": list(texts)})
        return self.dialects.clients[_WIRE].read_call(body, headers={}, match=Match("embed"))

"""Every dialect by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from headgate.kernel.errors import NotFound
from headgate.wire.anthropic_messages import dialect as anthropic_messages
from headgate.wire.dialect import Dialect
from headgate.wire.model_call import ModelCall, ModelReply
from headgate.wire.openai_chat import dialect as openai_chat
from headgate.wire.openai_embeddings import dialect as openai_embeddings

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {dialect.name: dialect for dialect in (openai_chat, openai_embeddings, anthropic_messages)}
)


def dialect_of(wire: str) -> Dialect:
    """Return a dialect.

    Raises:
        NotFound: there is none of that name.
    """
    try:
        return DIALECTS[wire]
    except KeyError:
        raise NotFound(f"there is no wire {wire}; there are {', '.join(DIALECTS)}") from None


def render_reply(reply: ModelReply, *, wire: str, model: str, call: ModelCall | None = None, created: int = 0) -> bytes:
    """Return an answer for a client of `wire`, whatever wire it came by; the rest is as in `Dialect.from_reply`."""
    client = dialect_of(wire)
    if reply.wire == wire:
        return client.write_reply(reply, model=model)
    return client.from_reply(dialect_of(reply.wire).to_reply(reply), model=model, call=call, created=created)

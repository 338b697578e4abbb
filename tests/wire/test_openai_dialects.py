from __future__ import annotations

import json

import pytest

from headgate.kernel.errors import NotFound
from headgate.wire.dialect import Dialect
from headgate.wire.dialects import DIALECTS, dialect_of, render_reply

REPLIES = {
    "openai_chat": b'{"id":"c","model":"gpt-real","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},'
    b'"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}',
    "anthropic_messages": b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-real","content":'
    b'[{"type":"text","text":"hi"}],"stop_reason":"max_tokens","usage":{"input_tokens":3,"output_tokens":4}}',
}


@pytest.mark.parametrize("wire", DIALECTS)
def test_every_dialect_is_found_by_its_own_name(wire: str) -> None:
    dialect: Dialect = dialect_of(wire)
    assert dialect.name == wire
    assert dialect.operations()


def test_an_unknown_wire_is_not_found_and_the_known_ones_are_named() -> None:
    with pytest.raises(NotFound, match="openai_chat, openai_embeddings"):
        dialect_of("telex")


@pytest.mark.parametrize("wire", REPLIES)
@pytest.mark.parametrize("origin", REPLIES)
def test_a_reply_reads_the_same_on_whatever_wire_it_is_rendered(origin: str, wire: str) -> None:
    """Trap 42."""
    reply = dialect_of(origin).read_reply(REPLIES[origin], headers={})
    raw = render_reply(reply, wire=wire, model="alias")
    assert json.loads(raw)["model"] == "alias"
    back = dialect_of(wire).to_reply(dialect_of(wire).read_reply(raw, headers={}))
    before = dialect_of(origin).to_reply(reply)
    assert (back.parts, back.stop_reason, back.usage) == (before.parts, before.stop_reason, before.usage)

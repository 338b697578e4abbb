from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.kernel.errors import Invalid, NotFound
from headgate.wire.dialect import ClientDialect, Dialect, ProviderDialect, Route
from headgate.wire.dialects import dialects_of, load_dialects
from headgate.wire.openai_chat import OpenAiChat

DIALECTS = load_dialects()

REPLIES = {
    "openai_chat": b'{"id":"c","model":"gpt-real","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},'
    b'"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}',
    "anthropic_messages": b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-real","content":'
    b'[{"type":"text","text":"hi"}],"stop_reason":"max_tokens","usage":{"input_tokens":3,"output_tokens":4}}',
}


@pytest.mark.parametrize("wire", DIALECTS.clients)
def test_every_dialect_is_found_by_its_own_name_for_both_ends(wire: str) -> None:
    assert DIALECTS.client(wire).name == DIALECTS.provider(wire).name == wire
    assert wire in DIALECTS.passing or wire in DIALECTS.embeddings


def test_an_unknown_wire_is_not_found_and_the_known_ones_are_named() -> None:
    for find in (DIALECTS.client, DIALECTS.provider):
        with pytest.raises(NotFound, match=r"openai_chat, .*openai_embeddings"):
            find("telex")


class _Deaf:
    manifest, name = OpenAiChat.manifest, "deaf"


class _Counter(OpenAiChat):
    routes = (Route("POST", "/v1/count", "count_tokens"),)


class _Half(_Deaf):
    plane, routes, read_call = OpenAiChat.plane, OpenAiChat.routes, OpenAiChat.read_call


@pytest.mark.parametrize(
    ("dialect", "why"),
    [
        (_Deaf(), "deaf serves no clients and speaks to no providers"),
        (_Counter(), "openai_chat serves counts of tokens: it lacks estimated_count"),
        (_Half(), "deaf is no ClientDialect: it lacks from_reply, to_conversation, write_events"),
    ],
)
def test_a_dialect_for_no_end_or_for_a_part_of_one_is_refused(dialect: Dialect, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        dialects_of([dialect])


@pytest.mark.parametrize(("protocol", "is_client"), [(ClientDialect, True), (ProviderDialect, False)])
def test_a_dialect_may_serve_one_end_only(protocol: type[Any], is_client: bool) -> None:
    names = {name for name in dir(protocol) if not name.startswith("_")}
    parts = {name: getattr(OpenAiChat, name) for name in names} | {"name": "half"}
    dialect: Any = type("_OneEnd", (), parts)()
    found = dialects_of([dialect])
    assert ("half" in found.clients, "half" in found.providers) == (is_client, not is_client)
    assert not found.passing


def test_a_dialect_for_both_ends_need_not_let_its_own_wire_through() -> None:
    parts = {"write_call": property(), "write_reply": property()}
    dialect: Any = type("_Typed", (OpenAiChat,), parts)()
    typed = dialects_of([dialect])
    assert not typed.passing
    reply = typed.provider("openai_chat").read_reply(REPLIES["openai_chat"], headers={})
    said = json.loads(typed.render_reply(reply, wire="openai_chat", model="alias"))
    assert (said["model"], said["choices"][0]["message"]["content"]) == ("alias", "hi")


@pytest.mark.parametrize("wire", REPLIES)
@pytest.mark.parametrize("origin", REPLIES)
def test_a_reply_reads_the_same_on_whatever_wire_it_is_rendered(origin: str, wire: str) -> None:
    """Trap 42."""
    reply = DIALECTS.provider(origin).read_reply(REPLIES[origin], headers={})
    raw = DIALECTS.render_reply(reply, wire=wire, model="alias")
    assert json.loads(raw)["model"] == "alias"
    reader = DIALECTS.provider(wire)
    back, before = reader.to_reply(reader.read_reply(raw, headers={})), DIALECTS.provider(origin).to_reply(reply)
    assert (back.parts, back.stop_reason, back.usage) == (before.parts, before.stop_reason, before.usage)

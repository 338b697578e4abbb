"""What crosses from one wire to another, what is named as left out, and what is refused rather than lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from headgate.kernel.errors import Invalid
from headgate.testing.gate import Gate, gate
from headgate.testing.simulator import Simulator

PARAMETERS: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOL: dict[str, Any] = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
CUSTOM_TOOL: dict[str, Any] = {"type": "custom", "custom": {"name": "grammar"}}
ANTHROPIC_TOOL = {"name": "weather", "input_schema": PARAMETERS}
SEARCH = {"type": "web_search_20260318", "name": "web_search"}
SHELL = {"type": "bash_20250124", "name": "bash"}
SERVED = {"allowed_callers": ["code_execution_20260120"]}
OTHER = {"openai": "anthropic", "anthropic": "openai"}


@pytest.fixture
async def upstream() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def gateway() -> AsyncIterator[Gate]:
    async with gate() as opened:
        yield opened


async def sent(gateway: Gate, upstream: Simulator, wire: str, body: dict[str, Any], **how: Any) -> dict[str, Any]:
    """Ask a deployment of the other wire; return the request that it got, with `dropped` as the client is told it."""
    if not gateway.deployments:
        gateway.add("d1", upstream, provider=OTHER[wire], **how)
    done = await gateway.ask(wire=wire, body=body)
    dropped = str(done.run.facts.get("dropped", ""))
    return {**upstream.requests[-1].json, "dropped": dropped.split(",") if dropped else []}


def user(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(blocks)}]


@pytest.mark.parametrize(
    ("wire", "body", "param"),
    [
        ("anthropic", {"container": "container_1"}, "container"),
        ("anthropic", {"mcp_servers": [{"type": "url", "url": "https://m", "name": "m"}]}, "mcp_servers"),
        ("anthropic", {"compaction": {"type": "enabled"}}, "compaction"),
        ("anthropic", {"inference_geo": "eu"}, "inference_geo"),
        ("anthropic", {"user_profile_id": "u"}, "user_profile_id"),
        ("anthropic", {"tools": [SEARCH]}, "tools"),
        ("anthropic", {"tools": [SEARCH, ANTHROPIC_TOOL], "tool_choice": {"type": "tool", "name": "web_search"}}, None),
        ("anthropic", {"tools": [SHELL], "tool_choice": {"type": "any"}}, "tools"),
        ("anthropic", {"tools": [{**ANTHROPIC_TOOL, **SERVED}]}, "tools"),
        ("anthropic", {"messages": user({"type": "container_upload", "file_id": "f"})}, "messages.0.content.0"),
        ("anthropic", {"messages": user({"type": "tool_removal", "tool": {"name": "x"}})}, "messages.0.content.0"),
        (
            "anthropic",
            {"messages": user({"type": "compaction", "content": "s", "tool_changes": [{"type": "tool_removal"}]})},
            "messages.0.content.0",
        ),
        ("openai", {"previous_response_id": "resp_1"}, "previous_response_id"),
        ("openai", {"store": True}, "store"),
        ("openai", {"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
        ("openai", {"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}}, "modalities"),
        ("openai", {"audio": {"voice": "a", "format": "wav"}}, "audio"),
        ("openai", {"moderation": {"model": "m"}}, "moderation"),
        ("openai", {"tools": [CUSTOM_TOOL]}, "tools"),
        (
            "openai",
            {
                "tools": [CUSTOM_TOOL, OPENAI_TOOL],
                "tool_choice": {"type": "custom", "custom": {"name": "grammar"}},
            },
            "tool_choice",
        ),
        (
            "openai",
            {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}, *user({"type": "text", "text": "x"})]},
            "messages[0].audio",
        ),
    ],
)
async def test_what_carries_state_or_authority_and_cannot_cross_is_refused(
    gateway: Gate, upstream: Simulator, wire: str, body: dict[str, Any], param: str | None
) -> None:
    gateway.add("d1", upstream, provider=OTHER[wire])
    with pytest.raises(Invalid) as caught:
        await gateway.ask(wire=wire, body=body)
    assert caught.value.param == (param or "tool_choice")
    assert not upstream.requests
    gateway.add("d2", upstream, provider=wire)
    await gateway.ask(wire=wire, body=body)
    assert upstream.requests[0].json["model"] == "d2-model", "a deployment of the client's own wire takes it"


@pytest.mark.parametrize(
    ("wire", "body", "dropped"),
    [
        ("anthropic", {"tools": [SEARCH, ANTHROPIC_TOOL]}, ["tools.web_search_20260318"]),
        ("anthropic", {"tools": [SEARCH], "tool_choice": {"type": "none"}}, ["tools.web_search_20260318"]),
        (
            "anthropic",
            {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
            ["context_management"],
        ),
        ("anthropic", {"context_management": {"edits": []}, "fallbacks": [], "service_tier": "auto"}, []),
        ("anthropic", {"inference_geo": "global", "container": None, "mcp_servers": [], "thread": None}, []),
        ("openai", {"tools": [CUSTOM_TOOL, OPENAI_TOOL]}, ["tools[0].custom"]),
        ("openai", {"prediction": {"type": "content", "content": "x"}, "n": 2}, ["n", "prediction"]),
        ("openai", {"store": False, "modalities": ["text"], "n": 1, "logprobs": None, "metadata": {}}, []),
    ],
)
async def test_what_is_harmless_and_cannot_cross_is_left_out_and_named(
    gateway: Gate, upstream: Simulator, wire: str, body: dict[str, Any], dropped: list[str]
) -> None:
    said = await sent(gateway, upstream, wire, body)
    assert sorted(said.pop("dropped")) == dropped
    assert not set(said) & (set(body) - {"tools", "tool_choice"})


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}])
async def test_a_thread_is_refused_whatever_the_deployment_speaks(
    gateway: Gate, upstream: Simulator, provider: str, thread: dict[str, str]
) -> None:
    gateway.add("d1", upstream, provider=provider)
    with pytest.raises(Invalid) as caught:
        await gateway.ask(wire="anthropic", body={"thread": thread})
    assert (caught.value.code, caught.value.param) == ("thread_unsupported_request", "thread")


async def test_the_summary_of_a_compacted_conversation_crosses(gateway: Gate, upstream: Simulator) -> None:
    compacted = {"role": "assistant", "content": [{"type": "compaction", "content": "We spoke of Rome."}]}
    said = await sent(gateway, upstream, "anthropic", {"messages": [compacted, {"role": "user", "content": "And?"}]})
    assert said["messages"][0] == {"role": "assistant", "content": "We spoke of Rome."}


@pytest.mark.parametrize(("mode", "kind"), [("auto", "auto"), ("required", "any")])
async def test_allowed_tools_become_the_only_tools(gateway: Gate, upstream: Simulator, mode: str, kind: str) -> None:
    other = {"type": "function", "function": {"name": "clock"}}
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "weather"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    said = await sent(gateway, upstream, "openai", {"tools": [OPENAI_TOOL, other], "tool_choice": choice})
    assert ([tool["name"] for tool in said["tools"]], said["tool_choice"]) == (["weather"], {"type": kind})
    wrongs: tuple[dict[str, Any], ...] = (
        {"mode": mode, "tools": []},
        {**allowed, "mode": "none"},
        {"mode": mode, "tools": [CUSTOM_TOOL]},
    )
    for wrong in wrongs:
        with pytest.raises(Invalid):
            body = {"tools": [OPENAI_TOOL, CUSTOM_TOOL], "tool_choice": {**choice, "allowed_tools": wrong}}
            await sent(gateway, upstream, "openai", body)

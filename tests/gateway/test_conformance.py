"""Every wire of clients against every dialect of providers: each behaviour is one cell of the conformance report.

The numbers are those of the report, `docs/conformance.md`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, cast

import pytest
from tests.gateway.conformance_report import REPORT, behaviours, table_of_traps
from tests.gateway.conformance_wires import CALLS, CLIENTS, PROVIDERS, RESULTS, SCHEMA, Asked, Question, Seen

from headgate.kernel.errors import HeadgateError, Upstream
from headgate.testing.gate import DIALECTS, Gate, gate
from headgate.testing.simulator import Failure, Framing, Script, Simulator, Tokens, ToolCall, context_overflow

BEHIND = ("openai", "responses", "anthropic", "gemini", "bedrock")
TOOL_CALLS = tuple(ToolCall(call.name, json.dumps(call.arguments), id=i) for i, call in CALLS)
TOOLS = ("weather", "clock")
QUESTION, SCRIPT = Question(), Script()


class Pair(NamedTuple):
    """A client's wire and the dialect of the deployment behind it, with the gate between them."""

    client: str
    provider: str
    gate: Gate
    upstream: Simulator

    async def whole(self, question: Question = QUESTION, script: Script = SCRIPT) -> Seen:
        """Ask once; return what the client sees of the whole answer."""
        self.upstream.script(script)
        body = CLIENTS[self.client].body(question)
        return CLIENTS[self.client].seen(await self.gate.answer(wire=self.client, body=body))

    async def streamed(self, question: Question = QUESTION, script: Script = SCRIPT) -> Seen:
        """Ask for a stream; return what the client sees of it."""
        return CLIENTS[self.client].heard(await self.frames(question, script))

    async def frames(self, question: Question = QUESTION, script: Script = SCRIPT) -> bytes:
        """Ask for a stream; return its bytes."""
        self.upstream.script(script)
        body = CLIENTS[self.client].body(question)
        if self.client == "openai":
            body["stream_options"] = {"include_usage": True}
        return await self.gate.frames(wire=self.client, body=body)

    async def asked(self, question: Question) -> tuple[Asked, list[str]]:
        """Ask once; return what the provider was asked, and what the client is told was left out."""
        body = CLIENTS[self.client].body(question)
        done = await self.gate.ask(wire=self.client, body=body)
        dropped = str(done.run.facts.get("dropped", ""))
        asked = PROVIDERS[self.provider](self.upstream.requests[-1].json)
        return asked, dropped.split(",") if dropped else []

    async def refused(self, script: Script) -> tuple[HeadgateError, int, dict[str, str], Any]:
        """Ask once, of a provider that fails; return the error, and as the client gets it."""
        self.upstream.script(script)
        with pytest.raises(HeadgateError) as caught:
            await self.gate.ask(wire=self.client, body=CLIENTS[self.client].body(Question()))
        wires = {"openai": "openai_chat", "responses": "openai_responses", "anthropic": "anthropic_messages"}
        dialect = DIALECTS.clients[wires.get(self.client, self.client)]
        answer = dialect.plane.write_error(caught.value, request_id="req_1")
        return caught.value, answer.status, dict(answer.headers), json.loads(answer.body)


def pairs(*, but: str = "") -> list[str]:
    """Return all pairs, without those of a client that cannot ask for what is tested."""
    return [f"{client}-{provider}" for client in CLIENTS if client != but for provider in BEHIND]


@pytest.fixture(params=pairs())
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    client, _, provider = str(request.param).partition("-")
    async with Simulator() as upstream, gate() as gateway:
        add(gateway, upstream, provider, "d1")
        yield Pair(client, provider, gateway, upstream)


def add(gateway: Gate, upstream: Simulator, provider: str, name: str) -> None:
    match provider:
        case "responses":
            gateway.add(name, upstream, quirks=["responses_only"])
        case "bedrock":
            gateway.add(name, upstream, provider=provider, key="AKID:secret", options={"region": "eu-central-1"})
        case _:
            gateway.add(name, upstream, provider=provider)


# ---- What reaches the provider


async def test_the_limit_of_the_answer_reaches_the_provider(pair: Pair) -> None:
    """Trap 6."""
    asked, _ = await pair.asked(Question(limit=33))
    assert asked.limit == 33


async def test_system_text_reaches_the_provider_as_such(pair: Pair) -> None:
    """Trap 7."""
    asked, _ = await pair.asked(Question("What is up?", system="Be brief."))
    assert (asked.system, asked.texts) == ("Be brief.", ["What is up?"])


@pytest.mark.parametrize("choice", ["auto", "required", "weather"])
async def test_the_choice_of_a_tool_reaches_the_provider(pair: Pair, choice: str) -> None:
    """Trap 5."""
    asked, _ = await pair.asked(Question(tools=TOOLS, choice=choice))
    assert set(asked.tools) >= {"weather"}
    assert (asked.choice or "auto") == choice or (asked.choice, asked.tools) == ("required", ["weather"])


async def test_a_choice_of_no_tool_leaves_the_provider_no_call(pair: Pair) -> None:
    """Trap 5."""
    asked, _ = await pair.asked(Question(tools=TOOLS, choice="none"))
    assert asked.choice == "none" or not asked.tools


@pytest.mark.parametrize("pair", pairs(but="gemini"), indirect=True)
async def test_one_call_at_a_time_reaches_the_provider_or_is_named(pair: Pair) -> None:
    """Trap 4."""
    asked, dropped = await pair.asked(Question(tools=TOOLS, is_parallel=False))
    assert asked.is_parallel is False or any("parallel" in one for one in dropped)


@pytest.mark.parametrize("pair", pairs(but="responses"), indirect=True)
async def test_sequences_that_stop_reach_the_provider_or_are_named(pair: Pair) -> None:
    """Trap 13."""
    asked, dropped = await pair.asked(Question(stop="END"))
    assert asked.stop == ["END"] or any("stop" in one for one in dropped)


async def test_a_schema_of_the_output_reaches_the_provider(pair: Pair) -> None:
    """Trap 10."""
    asked, _ = await pair.asked(Question(schema=True))
    sent = asked.schema or json.loads(next(iter(schemas_in(pair.upstream.requests[-1].json))))
    assert sent["properties"] == SCHEMA["properties"]
    assert sent["required"] == ["city"]


def schemas_in(value: Any) -> list[str]:
    """Return the schemas in the words of a prompt or of a tool, for dialects without a field for them."""
    match value:
        case {"properties": {"city": _}}:
            return [json.dumps(value)]
        case dict():
            return [found for one in cast("dict[str, Any]", value).values() for found in schemas_in(one)]
        case list():
            return [found for one in cast("list[Any]", value) for found in schemas_in(one)]
        case str() if '"city"' in value:
            return [value[value.index("{") : value.rindex("}") + 1]]
        case _:
            return []


async def test_an_image_reaches_the_provider(pair: Pair) -> None:
    """Trap 14."""
    asked, _ = await pair.asked(Question("What is this?", image=True))
    assert (asked.images, asked.texts) == (1, ["What is this?"])


async def test_calls_and_their_results_go_back_to_the_provider_in_pairs(pair: Pair) -> None:
    """Traps 12 and 23: also where the model said nothing beside its calls."""
    asked, _ = await pair.asked(Question(tools=TOOLS, results=True))
    assert [call for _, call in asked.calls] == [call for _, call in CALLS]
    assert [text for _, text in asked.results] == [text for _, text in RESULTS]
    assert [i for i, _ in asked.calls] == [i for i, _ in asked.results]


# ---- What reaches the client


@pytest.mark.parametrize("is_stream", [False, True])
async def test_text_and_its_usage_reach_the_client(pair: Pair, is_stream: bool) -> None:
    """Traps 1, 2, 17, 18, 19 and 30: text, the order of events, and tokens with those from a cache."""
    script = Script(text=("Grü", "ezi 😀"), tokens=Tokens(input=5, output=3, cache_read=2))
    seen = await (pair.streamed if is_stream else pair.whole)(Question(), script)
    assert (seen.text, seen.stop, seen.usage) == ("Grüezi 😀", "end", (7, 2, 3))
    facts = pair.gate.bench.recorder.closings[-1].facts
    assert (facts["input_tokens"], facts["output_tokens"]) == (7, 3)
    assert facts["cost_micros"] == 12, "5 + 3 * 2, and 0.2 for tokens from the cache, which are charged once"


@pytest.mark.parametrize("is_stream", [False, True])
async def test_parallel_calls_reach_the_client(pair: Pair, is_stream: bool) -> None:
    """Trap 3."""
    script = Script(text="", tool_calls=TOOL_CALLS)
    seen = await (pair.streamed if is_stream else pair.whole)(Question(tools=TOOLS), script)
    assert (seen.calls, seen.stop) == ([call for _, call in CALLS], "tools")


@pytest.mark.parametrize("is_stream", [False, True])
async def test_reasoning_reaches_the_client_apart_from_the_text(pair: Pair, is_stream: bool) -> None:
    """Traps 11 and 20."""
    script = Script(reasoning=("Hm", ", so"), text="Yes.")
    seen = await (pair.streamed if is_stream else pair.whole)(Question(thoughts=True), script)
    assert (seen.reasoning, seen.text) == ("Hm, so", "Yes.")


@pytest.mark.parametrize("is_stream", [False, True])
async def test_an_answer_that_was_cut_short_says_so(pair: Pair, is_stream: bool) -> None:
    """Trap 9."""
    seen = await (pair.streamed if is_stream else pair.whole)(Question(), Script(text="Once", stop="length"))
    assert (seen.text, seen.stop) == ("Once", "limit")


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_refusal_is_no_answer_and_keeps_its_words(pair: Pair, is_stream: bool) -> None:
    """Trap 8."""
    seen = await (pair.streamed if is_stream else pair.whole)(Question(), Script(text="", refusal="I may not."))
    assert "I may not." in (seen.refusal, seen.text)
    assert seen.stop == "refusal" or seen.refusal


@pytest.mark.parametrize("framing", [Framing(split_bytes=1), Framing(crlf=True, comments=True, bom=True)], ids=str)
async def test_the_framing_of_a_stream_changes_nothing(pair: Pair, framing: Framing) -> None:
    """Trap 40."""
    script = Script(text=("Zür", "ich"), tool_calls=TOOL_CALLS, framing=framing)
    seen = await pair.streamed(Question(tools=TOOLS), script)
    assert (seen.text, seen.calls) == ("Zürich", [call for _, call in CALLS])


@pytest.mark.parametrize("pair", pairs(but="openai"), indirect=True)
async def test_tokens_are_counted_for_any_model(pair: Pair) -> None:
    """Trap 24."""
    counted = await pair.gate.answer(wire=pair.client, counts=True, body=CLIENTS[pair.client].body(Question("a " * 50)))
    assert counted.get("input_tokens", counted.get("totalTokens")) > 10


# ---- Failures


@pytest.mark.parametrize(
    ("status", "told"), [(401, 502), (403, 502), (404, 502), (429, 429), (500, 502), (503, 503)], ids=str
)
async def test_a_providers_error_has_the_form_of_the_client(pair: Pair, status: int, told: int) -> None:
    """Traps 33, 35 and 36: what is the gateway's own fault is never told as the client's."""
    error, answer, headers, body = await pair.refused(Script(failure=Failure(status, retry_after_s=7)))
    assert isinstance(error, Upstream)
    assert answer == told
    assert_form_of_error(pair.client, answer, body)
    if status == 429:
        assert headers["retry-after"] == "7"


async def test_a_request_that_the_provider_finds_wrong_is_the_clients_mistake(pair: Pair) -> None:
    """Trap 36."""
    add(pair.gate, pair.upstream, pair.provider, "d2")
    _, answer, _, body = await pair.refused(Script(failure=Failure(400, "The moon is not a number.")))
    assert answer == 400
    assert_form_of_error(pair.client, answer, body)
    assert "The moon is not a number." in json.dumps(body)
    assert len(pair.upstream.requests) == 1, "no other deployment is asked the same"


async def test_an_overflow_of_the_context_is_told_in_the_words_that_clients_know(pair: Pair) -> None:
    """Trap 34."""
    _, answer, _, body = await pair.refused(Script(failure=context_overflow(used=9001, limit=8192)))
    assert answer == 400
    words = {"anthropic": "prompt is too long: 9001 tokens > 8192 maximum", "gemini": "9001"}
    assert words.get(pair.client, "context_length_exceeded") in json.dumps(body)


def assert_form_of_error(client: str, status: int, body: Any) -> None:
    error = body["error"]
    match client:
        case "anthropic":
            assert body["type"] == "error"
            assert set(error) >= {"type", "message"}
        case "gemini":
            assert error["code"] == status
            assert error["status"].isupper()
        case _:
            assert set(error) >= {"message", "type", "param", "code"}
    assert error["message"]


@pytest.mark.parametrize("cut", ["fin", "rst", "short"])
async def test_a_stream_that_breaks_off_never_ends_well(pair: Pair, cut: Any) -> None:
    """Trap 37."""
    question, script = Question(), Script(text=("a", "b", "c", "d", "e", "f"), cut=cut, cut_after=4)
    with pytest.raises(Upstream):
        await pair.frames(question, script)


async def test_a_failure_within_a_stream_is_a_failure(pair: Pair) -> None:
    """Trap 37."""
    with pytest.raises(Upstream):
        await pair.frames(Question(), Script(breaks=Failure(503)))


@pytest.mark.parametrize("second", BEHIND)
async def test_the_next_deployment_gets_the_clients_own_request(pair: Pair, second: str) -> None:
    """Trap 42: translated once, from what the client sent."""
    add(pair.gate, pair.upstream, second, "d2")
    pair.upstream.script(Script(failure=Failure(500)))
    question = Question("Weather?", system="Be brief.", tools=TOOLS, results=True)
    seen = await pair.whole(question, Script(text="Rain."))
    asked = PROVIDERS[second](pair.upstream.requests[-1].json)
    assert (seen.text, asked.system, asked.texts) == ("Rain.", "Be brief.", ["Weather?"])
    assert [text for _, text in asked.results] == [text for _, text in RESULTS]


def test_the_report_has_every_behaviour_and_trap() -> None:
    written = REPORT.read_text()
    for sentence, traps in behaviours().values():
        assert f"| {sentence} | {', '.join(map(str, traps))} |" in written, "write it anew: make conformance"
    assert "\n".join(table_of_traps()) in written, "write it anew: make conformance"
    assert "fails" not in written
    assert "not tested" not in written

"""Requests of Gemini's wire: read in either spelling, checked, edited, and passed on byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.gemini_sdk import STREAM, call_of

from headgate.kernel.content import Segment
from headgate.kernel.errors import Invalid
from headgate.wire.anthropic_words import estimated_tokens
from headgate.wire.dialect import Match, Outgoing
from headgate.wire.gemini import dialect
from headgate.wire.gemini_calls import FOREIGN_SIGNATURE
from headgate.wire.model_call import ModelCall
from headgate.wire.prompt_size import prompt_tokens

HELLO: Any = [{"role": "user", "parts": [{"text": "Hello"}]}]
FUNCTION: Any = {"name": "weather", "parameters": {"type": "OBJECT", "properties": {"my_city": {"type": "STRING"}}}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"
COUNT = Match("count_tokens", "our-alias")


def call(match: Match | None = None, **fields: Any) -> ModelCall:
    """A call with these fields."""
    body = json.dumps({"contents": HELLO, **fields}).encode()
    return call_of(body) if match is None else call_of(body, match)


def sent(made: ModelCall, **outgoing: Any) -> Any:
    """What the upstream of the same wire gets."""
    return json.loads(dialect.write_call(made, Outgoing("up", **outgoing)))


def test_a_canonical_request_reaches_the_upstream_byte_for_byte() -> None:
    """Trap 22: order, white space, numbers, escapes and unknown fields stay."""
    body = (
        b'{ "generationConfig":{"temperature":1.0,"topK":40.0,"x":[1e2,"<b>&"]},\n "contents" : [{"parts":'
        b'[{"text":"a\\u00e9"},{"thoughtSignature":"Zz+/==","functionCall":{"args":{"b_c":1,"a":2},"name":"f"}}]}] }'
    )
    made = call_of(body)
    assert dialect.write_call(made, Outgoing("up")) == body
    assert (made.model, made.stream, made.operation) == ("our-alias", False, "chat")
    assert Segment("our-alias", "parameter") in made.content.segments()


def test_both_spellings_and_single_values_become_one_form() -> None:
    made = call(
        contents={"role": "user", "parts": {"text": "Hello"}},
        system_instruction={"parts": {"text": "Be brief."}},
        tools={"function_declarations": FUNCTION},
        generation_config={"max_output_tokens": 9, "stop_sequences": "END", "response_json_schema": {"a_b": 1}},
        safety_settings=[{"category": "X", "threshold": "Y"}],
    )
    assert sent(made) == {
        "contents": HELLO,
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [{"functionDeclarations": [FUNCTION]}],
        "generationConfig": {"maxOutputTokens": 9, "stopSequences": ["END"], "responseJsonSchema": {"a_b": 1}},
        "safetySettings": [{"category": "X", "threshold": "Y"}],
    }
    assert made.output_limit == 9


def test_what_a_caller_names_keeps_its_spelling() -> None:
    turn = {"role": "model", "parts": [{"function_call": {"name": "do_it", "args": {"my_key": {"a_b": 1}}}}]}
    assert sent(call(contents=[*HELLO, turn]))["contents"][1]["parts"] == [
        {"functionCall": {"name": "do_it", "args": {"my_key": {"a_b": 1}}}}
    ]


def test_a_field_in_two_spellings_is_refused() -> None:
    with pytest.raises(Invalid, match=r"generationConfig\.topP is given twice"):
        call(generationConfig={"topP": 1, "top_p": 0.5})
    escaped = b'{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{},"generation\\u005fconfig":{}}'
    with pytest.raises(Invalid, match="given twice"):
        call_of(escaped)


def test_the_authors_of_texts_are_known() -> None:
    contents = [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"text": "Hm", "thought": True}, {"text": "Yes"}, {"functionCall": {"name": "f"}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"k": "rain"}}}]},
    ]
    made = call(contents=contents, systemInstruction={"parts": [{"text": "Be brief."}]})
    by = {segment.text: segment.origin for segment in made.content.segments()}
    assert (by["Hi"], by["Yes"], by["rain"], by["Be brief."]) == ("user", "assistant", "tool", "system")
    assert made.content.may_hold_tool_text()
    assert made.content.surface() is None
    assert not call().content.may_hold_tool_text()


def test_the_pieces_of_a_streamed_answer_are_one_answer() -> None:
    """The SDK's chats keep each piece of a stream as a turn of its own."""
    pieces: Any = [{"role": "model", "parts": [{"text": text}]} for text in ("Hel", "lo")]
    thought = {"role": "model", "parts": [{"text": "Hm", "thought": True}]}
    made = call(contents=[*HELLO, thought, *pieces, *HELLO, thought, {"role": "model", "parts": []}, "x"][:-1])
    assert made.content.spoken() == ["Hello"]
    assert call(contents=HELLO).content.spoken() == []


def test_media_are_no_text_and_count_by_their_kind() -> None:
    parts = [
        {"inlineData": {"mimeType": "image/png", "data": PIXEL}},
        {"inlineData": {"mimeType": "audio/wav", "data": "UklGRgAA"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://files.test/a.pdf"}},
    ]
    made = call(contents=[{"role": "user", "parts": parts}])
    assert made.content.is_opaque
    assert PIXEL not in [segment.text for segment in made.content.segments()]
    assert made.needs == {"images"}
    assert estimated_tokens(made.content) > 3 * 1600
    assert 11_600 < prompt_tokens(made.content, bytes_per_token=4) < 12_000
    text = {"inlineData": {"mimeType": "text/plain", "data": "aGVsbG8gd29ybGQsIHRoaXMgaXMgdGV4dA=="}}
    read = call(contents=[{"parts": [text]}])
    assert "hello world, this is text" in [segment.text for segment in read.content.segments()]


def test_tokens_are_estimated_for_models_that_count_none() -> None:
    """Trap 24."""
    counting: Any = dialect
    reply = counting.estimated_count(call(COUNT, systemInstruction={"parts": [{"text": "word " * 70}]}))
    assert 100 < json.loads(reply.content.to_bytes())["totalTokens"] < 150
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (0, 0)


def test_a_cache_that_only_the_provider_holds_is_opaque() -> None:
    made = call(cachedContent="cachedContents/1")
    assert made.content.is_opaque
    assert sent(made)["cachedContent"] == "cachedContents/1"


NEEDS: list[tuple[Any, set[str]]] = [
    ({"tools": [{"functionDeclarations": [FUNCTION]}]}, {"tools"}),
    (
        {
            "tools": [{"functionDeclarations": [FUNCTION]}],
            "toolConfig": {"functionCallingConfig": {"mode": "NONE"}},
        },
        set(),
    ),
    ({"tools": [{"googleSearch": {}}]}, set()),
    ({"generationConfig": {"responseSchema": {"type": "OBJECT"}}}, {"json_schema"}),
    ({"generationConfig": {"responseJsonSchema": {"type": "object"}}}, {"json_schema"}),
    (
        {
            "contents": [
                {
                    "parts": [
                        {
                            "functionResponse": {
                                "name": "f",
                                "parts": [{"inlineData": {"mimeType": "image/png", "data": PIXEL}}],
                            }
                        }
                    ]
                }
            ]
        },
        {"images"},
    ),
]


@pytest.mark.parametrize(("fields", "needs"), NEEDS)
def test_the_needs_of_a_call(fields: dict[str, Any], needs: set[str]) -> None:
    assert call(**fields).needs == needs


def test_a_limit_counts_for_every_candidate_and_is_capped() -> None:
    made = call(generationConfig={"maxOutputTokens": 90, "candidateCount": 2})
    assert made.output_limit == 180
    assert sent(made, cap_output_tokens=50)["generationConfig"] == {"maxOutputTokens": 50, "candidateCount": 2}
    assert sent(made, cap_output_tokens=95)["generationConfig"]["maxOutputTokens"] == 90
    assert sent(call(generationConfig={}), cap_output_tokens=5)["generationConfig"] == {"maxOutputTokens": 5}
    assert sent(call(), cap_output_tokens=5)["generationConfig"] == {"maxOutputTokens": 5}


def test_a_call_of_another_model_gets_the_mark_that_google_documents() -> None:
    """Trap 20: Gemini 3 refuses a function call without a signature; one of its own stays."""
    parts: Any = [{"text": "x"}, {"functionCall": {"name": "f"}}, {"functionCall": {"name": "g"}}]
    mine = {"functionCall": {"name": "h"}, "thoughtSignature": "own"}
    made = call(contents=[*HELLO, {"role": "model", "parts": parts}, {"role": "model", "parts": [mine]}])
    contents = sent(made, quirks=frozenset({"signed_calls"}))["contents"]
    assert [part.get("thoughtSignature") for part in contents[1]["parts"]] == [None, FOREIGN_SIGNATURE, None]
    assert contents[2]["parts"] == [mine]
    assert "thoughtSignature" not in json.dumps(sent(made)["contents"][1])


def test_a_request_for_a_token_count_is_wrapped_where_the_wire_demands_it() -> None:
    """Trap 24."""
    assert sent(call(COUNT)) == {"contents": HELLO}
    plain = {"contents": HELLO, "systemInstruction": {"parts": [{"text": "s"}]}}
    inner = json.dumps({"generateContentRequest": {"model": "models/our-alias", **plain}}).encode()
    wrapped = {"generateContentRequest": {**plain, "model": "models/up"}}
    for body in (json.dumps(plain).encode(), inner):
        made = call_of(body, COUNT)
        assert sent(made) == wrapped
        assert sent(made, quirks=frozenset({"plain_counts"})) == plain
        assert made.operation == "count_tokens"
        assert not made.stream


def test_the_path_names_the_model_and_the_stream() -> None:
    assert call(STREAM).stream
    with pytest.raises(Invalid, match="alt=sse") as caught:
        call(Match("chat", "our-alias", stream=True))
    assert caught.value.param == "alt"
    assert call_of(b'{"contents":[{"parts":[]}],"model":"models/told"}', Match("chat")).model == "told"
    for model in ("", "m" * 257):
        with pytest.raises(Invalid, match="name of a model"):
            call(Match("chat", model))
    with pytest.raises(Invalid, match="name of a model"):
        call(Match("chat"), model=7)


WRONG: list[tuple[Any, str]] = [
    ({"contents": []}, "contents"),
    ({"contents": "Hello"}, "contents"),
    ({"contents": ["Hello"]}, "contents[0]"),
    ({"contents": [{"role": "assistant", "parts": []}]}, "contents[0].role"),
    ({"contents": [{"role": [], "parts": []}]}, "contents[0].role"),
    ({"contents": [{"parts": ["x"]}]}, "contents[0].parts"),
    ({"contents": [{"parts": [{"text": 7}]}]}, "contents[0].parts[0].text"),
    ({"systemInstruction": "Be brief."}, "systemInstruction"),
    ({"systemInstruction": {"parts": [7]}}, "systemInstruction.parts"),
    ({"tools": [7]}, "tools"),
    ({"tools": [{"functionDeclarations": [7]}]}, "tools[0].functionDeclarations"),
    ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
    ({"toolConfig": {"functionCallingConfig": {"mode": "any"}}}, "toolConfig.functionCallingConfig.mode"),
    ({"toolConfig": {"functionCallingConfig": {"mode": 1}}}, "toolConfig.functionCallingConfig.mode"),
    (
        {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["gone"]}}},
        "toolConfig.functionCallingConfig.allowedFunctionNames",
    ),
    ({"generationConfig": {"maxOutputTokens": 0}}, "generationConfig.maxOutputTokens"),
    ({"generationConfig": {"maxOutputTokens": 1.5}}, "generationConfig.maxOutputTokens"),
    ({"generationConfig": {"candidateCount": 0}}, "generationConfig.candidateCount"),
    ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
    ({"generationConfig": {"seed": 2**40}}, "generationConfig.seed"),
    ({"generationConfig": {"stopSequences": [7]}}, "generationConfig.stopSequences"),
    ({"generationConfig": {"responseMimeType": 7}}, "generationConfig.responseMimeType"),
    ({"generationConfig": {"responseSchema": 7}}, "generationConfig.responseSchema"),
    ({"cachedContent": 7}, "cachedContent"),
]


@pytest.mark.parametrize(("fields", "param"), WRONG)
def test_a_wrong_field_is_refused_by_its_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Invalid) as caught:
        call(**fields)
    assert caught.value.param == param


def test_a_request_of_the_gemini_cli_is_read() -> None:
    """Source: `geminiChat.ts` and `contentGenerator.ts` of google-gemini/gemini-cli."""
    made = call(
        STREAM,
        contents=[
            {"role": "user", "parts": [{"text": "context"}]},
            {"role": "model", "parts": [{"text": "", "thoughtSignature": "c2ln"}]},
            {
                "role": "model",
                "parts": [
                    {"functionCall": {"id": "read_file-1", "name": "read_file", "args": {"absolute_path": "/a"}}}
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "read_file-1", "name": "read_file", "response": {"output": "text"}}}
                ],
            },
        ],
        systemInstruction={"role": "user", "parts": [{"text": "You are a CLI agent."}]},
        tools=[
            {"functionDeclarations": [{"name": "read_file", "parametersJsonSchema": {"type": "object"}}]},
        ],
        generationConfig={
            "temperature": 1,
            "topP": 0.95,
            "topK": 64,
            "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 8192},
        },
    )
    talk = dialect.to_conversation(made.content)
    assert [message.role for message in talk.messages] == ["system", "user", "assistant", "user"]
    assert talk.reasoning_tokens == 8192
    assert "absolute_path" in json.dumps(sent(made))


def test_numbers_in_a_calls_arguments_come_back_as_numbers() -> None:
    """Guard writes a pseudonym in place of a long number, and restores the number in an answer."""
    body = (
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"card":"TOKEN"}}}]},'
        b'"finishReason":"STOP"}]}'
    )
    content: Any = dialect.read_reply(body, headers={}).content
    restored = content.with_numbers({"TOKEN": "4111111111111111"}.get)
    assert b'"card":4111111111111111' in restored.raw


@given(st.dictionaries(st.sampled_from(["top_p", "topK", "seed", "x_y", "a"]), st.integers(-5, 5), max_size=5))
def test_the_canonical_form_is_stable(config: dict[str, int]) -> None:
    made = call(generationConfig=config)
    again = call_of(made.content.to_bytes())
    assert again.content.to_bytes() == made.content.to_bytes()

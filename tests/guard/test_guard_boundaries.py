"""A value that is cut where one block of an answer ends and the next begins is guarded like any other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from tests.guard.test_guard_exchange import CARD, EMAIL, call, clearance, exchange
from tests.guard.test_guard_streams import BLOCKS, anthropic_given, block, guarded, openai_given

from headgate.guard import Engine
from headgate.wire import anthropic_messages, openai_chat
from headgate.wire.sse import SseEvent

KINDS = ("text", "thinking")
LONG = " and so on," * 60


def blocks(*said: tuple[str, Iterable[str]]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for index, (kind, pieces) in enumerate(said):
        opening, delta = BLOCKS[kind]
        events += block(index, opening, map(delta, pieces))
        if kind == "thinking":
            seal = {"type": "signature_delta", "signature": "sig"}
            events.insert(-1, {"type": "content_block_delta", "index": index, "delta": seal})
    return events


def read(given: Sequence[dict[str, Any]]) -> dict[int, str]:
    """The text of each block; an event of a block that is not open fails."""
    texts: dict[int, str] = {}
    is_open: set[int] = set()
    for event in given:
        match event["type"]:
            case "content_block_start":
                is_open.add(event["index"])
                texts[event["index"]] = ""
            case "content_block_delta":
                assert event["index"] in is_open
                delta = event["delta"]
                texts[event["index"]] += delta.get("text", delta.get("thinking", ""))
            case "content_block_stop":
                is_open.remove(event["index"])
            case _:
                pass
    assert not is_open
    return texts


@pytest.mark.parametrize("behind", ["", " now", LONG], ids=["nothing", "little", "much"])
@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "restored"])
@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_a_value_over_two_blocks_is_guarded_wherever_it_is_cut(
    fast_engine: Engine, first: str, second: str, is_removed: bool, behind: str
) -> None:
    text = f"mail {EMAIL}{behind}"
    _, said, _ = guarded(fast_engine, is_removed=is_removed, said=text)
    for at in range(1, len(said) - len(behind)):
        for halves in ((said[:at], said[at:]), ([said[:at]], [said[at:]])):
            made, _, expected = guarded(fast_engine, is_removed=is_removed, said=text)
            given = anthropic_given(made, blocks((first, halves[0]), (second, halves[1])))
            texts = read(given)
            assert texts[0] + texts[1] == expected, at
            assert made.closing_facts() == {f"{'removed' if is_removed else 'restored'}.email": 1}
            assert [event["type"] for event in given][-1] == "message_delta"


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "restored"])
def test_a_value_over_many_blocks_is_guarded(fast_engine: Engine, is_removed: bool) -> None:
    made, said, expected = guarded(fast_engine, is_removed=is_removed)
    given = anthropic_given(made, blocks(*(("text", [char]) for char in said)))
    assert "".join(read(given).values()) == expected


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "restored"])
def test_what_is_complete_in_its_block_stays_there(fast_engine: Engine, is_removed: bool) -> None:
    made, said, expected = guarded(fast_engine, is_removed=is_removed, said=f"mail {EMAIL}")
    given = anthropic_given(made, blocks(("text", [said]), ("text", [" It is open"]), ("text", list(said))))
    assert list(read(given).values()) == [expected, " It is open", expected]
    made, said, expected = guarded(fast_engine, is_removed=is_removed)
    given = anthropic_given(made, blocks(("text", ["the HG"]), ("text", ["Wells book by H"]), ("text", list(said))))
    assert list(read(given).values()) == ["the HG", "Wells book by H", expected]


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "restored"])
def test_a_tool_call_between_two_texts_waits_for_nothing(fast_engine: Engine, is_removed: bool) -> None:
    made, said, _ = guarded(fast_engine, is_removed=is_removed, said=f"mail {EMAIL}")
    opening: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": "{}"}
    events = [*blocks(("text", [said[:9]])), *block(1, opening, [delta]), *blocks(("text", [said[9:]]))]
    reader = anthropic_messages.dialect.read_events()
    passed = 0
    for event in events[:4]:
        passed += sum(len(made.item(one)) for one in reader.feed(SseEvent("", json.dumps(event).encode())))
    assert passed == 5


def test_text_of_the_next_block_is_not_later_than_without_a_boundary(fast_engine: Engine) -> None:
    made, *_ = guarded(fast_engine, is_removed=True)
    reader = anthropic_messages.dialect.read_events()
    released = 0
    for event in blocks(("text", ["one. "]), ("text", ["x"] * 300))[:-1]:
        for one in reader.feed(SseEvent("", json.dumps(event).encode())):
            released += sum(len(slot.text) for item in made.item(one) for slot in item.slots)
    assert released == len("one. ") + 300 - 256


@pytest.mark.parametrize(
    "keys", [("reasoning_content", "content"), ("content", "reasoning_content"), ("content", "refusal")]
)
@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "restored"])
@pytest.mark.parametrize("is_one_chunk", [True, False])
def test_a_value_over_thoughts_and_words_of_a_choice_is_guarded(
    fast_engine: Engine, keys: tuple[str, str], is_removed: bool, is_one_chunk: bool
) -> None:
    one, other = sorted(keys, reverse=True) if is_one_chunk and "reasoning_content" in keys else keys
    _, said, _ = guarded(fast_engine, is_removed=is_removed)
    for at in range(1, len(said)):
        made, _, expected = guarded(fast_engine, is_removed=is_removed)
        first, second = said[:at], said[at:]
        if is_one_chunk:
            deltas = [*({one: char} for char in first[:-1]), {one: first[-1], other: second[0]}]
            deltas += [{other: char} for char in second[1:]]
        else:
            deltas = [*({one: char} for char in first), *({other: char} for char in second)]
        given = [chunk["choices"][0]["delta"] for chunk in openai_given(made, deltas)]
        texts = ["".join(delta.get(key) or "" for delta in given) for key in (one, other)]
        assert "".join(texts) == expected, at


def spoken_by_choice(
    engine: Engine, said: Sequence[tuple[int, str, str]], *, is_removed: bool, is_ended: bool = True
) -> tuple[str, str]:
    """All words and thoughts of two choices, as a client is given them."""
    made, *_ = guarded(engine, is_removed=is_removed)
    choices: list[dict[str, Any]] = [
        *({"index": index, "delta": {key: text}, "finish_reason": None} for index, key, text in said),
        *({"index": index, "delta": {}, "finish_reason": "stop"} for index in (1, 0) if is_ended),
    ]
    reader = openai_chat.dialect.read_events()
    events = [event for one in choices for event in reader.feed(SseEvent("", json.dumps({"choices": [one]}).encode()))]
    items = [*(item for event in events for item in made.item(event)), *made.finish()]
    texts = ["", ""]
    for item in items:
        for name, text in item.slots:
            texts[int(name.partition("/")[2])] += text
    return texts[0], texts[1]


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "restored"])
@pytest.mark.parametrize("is_ended", [True, False])
def test_choices_are_texts_of_their_own_however_they_take_turns(
    fast_engine: Engine, is_removed: bool, is_ended: bool
) -> None:
    _, said, expected = guarded(fast_engine, is_removed=is_removed)
    at = said.index("@" if is_removed else "HGX") + 3
    turns = [(0, "reasoning", said[:at]), (0, "content", said[at])]
    turns += [(1, "content", "hm "), (0, "content", said[at + 1 :])]
    assert spoken_by_choice(fast_engine, turns, is_removed=is_removed, is_ended=is_ended) == (expected, "hm ")
    turns = [(0, "content", said[:at]), (1, "content", said[at:])]
    assert spoken_by_choice(fast_engine, turns, is_removed=is_removed, is_ended=is_ended) == (said[:at], said[at:])


def test_a_choice_does_not_wait_for_another_for_long(fast_engine: Engine) -> None:
    made, *_ = guarded(fast_engine, is_removed=True)
    reader = openai_chat.dialect.read_events()
    released = ""
    for index, key, text in ((0, "reasoning", "so"), (0, "content", "a"), *((1, "content", "x") for _ in range(600))):
        data = json.dumps({"choices": [{"index": index, "delta": {key: text}}]}).encode()
        for event in reader.feed(SseEvent("", data)):
            released += "".join(slot.text for item in made.item(event) for slot in item.slots)
    assert released == "x" * (600 - 256)


def test_a_long_secret_over_two_blocks_is_removed_whole(fast_engine: Engine) -> None:
    key = f"-----BEGIN {'PRIVATE KEY'}-----\n" + "MIIEvQIBADANBgkq\n" * 60 + f"-----END {'PRIVATE KEY'}-----"
    for at in (3, 40, 300, 900):
        made = exchange(fast_engine, call("hi"), receiver=clearance("pii"))
        pieces = [key[n : n + 50] for n in range(at, len(key), 50)]
        texts = read(anthropic_given(made, blocks(("text", [f"a {key[:at]}"]), ("text", [*pieces, " b"]))))
        assert "MIIE" not in texts[0] + texts[1]
        assert texts[0].startswith("a ") and texts[1].endswith(" b")


def test_a_value_that_nobody_masked_labels_the_output_wherever_it_is_cut(fast_engine: Engine) -> None:
    for at in range(1, len(CARD)):
        made = exchange(fast_engine, call("hi"), mask=frozenset())
        anthropic_given(made, blocks(("text", [f"card {CARD[:at]}"]), ("text", [f"{CARD[at:]} ", "x" * 300, "y"])))
        assert made.output_labels.categories == {"pci"}
        made = exchange(fast_engine, call("hi"), mask=frozenset())
        openai_given(made, [{"reasoning": f"card {CARD[:at]}"}, {"content": CARD[at:]}, {"reasoning": "so"}])
        assert made.output_labels.categories == {"pci"}


def test_a_token_over_two_blocks_of_a_whole_answer_gets_its_value_back(fast_engine: Engine) -> None:
    _, said, _ = guarded(fast_engine, is_removed=False)
    for at in range(1, len(said)):
        made, _, expected = guarded(fast_engine, is_removed=False)
        content = [{"type": "text", "text": said[:at]}, {"type": "text", "text": said[at:]}]
        body: dict[str, Any] = {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": content,
            "usage": {},
        }
        data = json.dumps({**body, "stop_reason": "end_turn"}).encode()
        result = made.result(anthropic_messages.dialect.read_reply(data, headers={}))
        assert "".join(part["text"] for part in json.loads(result.content.to_bytes())["content"]) == expected, at

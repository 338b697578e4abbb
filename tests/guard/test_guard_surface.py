"""The quick look at a whole body finds whatever a scan of its strings finds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.guard import Engine, GuardLabeller, GuardTransformer, Pseudonyms
from headgate.kernel.content import Content, Segment
from headgate.kernel.decision import Decision, Effect, LogLevel, Obligations
from headgate.kernel.detection import Candidate, DetectorManifest, Hit, Kind, Pattern
from headgate.kernel.labels import EVERYTHING, Integrity
from headgate.testing.notes import Note, send
from headgate.wire import anthropic_messages
from headgate.wire.json_document import JsonDocument
from headgate.wire.openai_words import CHAT_REPLY, CHAT_REQUEST

VALUES = (
    "jane.doe@example.org",
    '"jane doe"@example.org',
    "jane [at] example [dot] org",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "SSN: 536-90-4399",
    "203.0.113.7",
    "2001:db8::ff00:42:8329",
    "+49 30 901820",
    "(415) 555-2671",
    "password: hunter2hunter",
    'api_key="a1b2c3d4e5f6"',
    "postgres://admin:s3cret@db.example.org/x",
    "Authorization: Bearer abcdefghijklmnop123456",
    "-----BEGIN RSA PRIVATE KEY-----",
    "ghp_0123456789abcdefghijklmnopqrstuvwxyzAB",
    "４１１１ １１１１ １１１１ １１１１",
    "jane%40example.org",
    "4111\u200b1111\u200b1111\u200b1111",
    "jane&commat;example.org",
)
around = st.text(alphabet=' \n\t"\\/aZ9.,:;%&#é\x7f', max_size=8)
texts = st.builds("{}{}{}".format, around, st.sampled_from((*VALUES, "nothing to see")), around)


@given(
    texts=st.lists(texts, min_size=1, max_size=4),
    role=st.sampled_from(("user", "system", "tool")),
    ensure_ascii=st.booleans(),
    indent=st.sampled_from((None, 1)),
)
def test_what_a_scan_of_the_strings_finds_is_never_called_clean(
    fast_engine: Engine, texts: list[str], role: str, ensure_ascii: bool, indent: int | None
) -> None:
    body = {"model": "m", "messages": [{"role": role, "content": text} for text in texts], texts[0]: texts[-1]}
    for layout in (CHAT_REQUEST, CHAT_REPLY):
        raw = json.dumps(body, ensure_ascii=ensure_ascii, indent=indent).encode()
        document = JsonDocument.parse(raw, layout=layout)
        if fast_engine.is_clean(document.surface()):
            assert not fast_engine.scan(document.segments())


_ASKED = b'{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}'
MESSAGES_REQUEST = cast("JsonDocument", anthropic_messages.dialect.read_call(_ASKED, headers={}).content).layout
roles = st.sampled_from(("user", "system", "assistant", "tool", "function", "developer", "odd"))
contents = st.text(max_size=4) | st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(("text", "tool_result", "tool_use", "odd")), "content": st.text(max_size=4)}
    ),
    max_size=2,
)


@given(
    messages=st.lists(st.fixed_dictionaries({"role": roles, "content": contents}), max_size=4),
    is_escaped=st.booleans(),
)
def test_what_a_tool_wrote_is_never_said_to_be_written_by_none(
    fast_engine: Engine, messages: list[dict[str, object]], is_escaped: bool
) -> None:
    raw = json.dumps({"model": "m", "messages": messages}).encode()
    if is_escaped:
        raw = raw.replace(b"tool", rb"\u0074ool").replace(b"function", rb"functio\u006e")
    for layout in (CHAT_REQUEST, CHAT_REPLY, MESSAGES_REQUEST):
        document = JsonDocument.parse(raw, layout=layout)
        is_tainted = any(segment.origin == "tool" for segment in document.segments())
        assert document.may_hold_tool_text() or not is_tainted


@dataclass(frozen=True)
class Told(Content):
    """A content of its own kind: what a user asks, and what a tool answers."""

    asked: str
    answered: str

    def segments(self) -> Sequence[Segment]:
        return (Segment(self.asked, "user"), Segment(self.answered, "tool"))

    def edit(self, texts: Mapping[int, str]) -> Told:
        return Told(texts.get(0, self.asked), texts.get(1, self.answered))


class Shown(Told):
    """The same, with a quick look that finds nothing."""

    def surface(self) -> bytes:
        return f"{self.asked}\n{self.answered}".encode()


@pytest.mark.parametrize("kind", [Told, Shown])
def test_no_quick_look_takes_what_a_tool_wrote_for_trusted(fast_engine: Engine, kind: type[Told]) -> None:
    labeller, action = GuardLabeller(engine=fast_engine), replace(send(), payload=Note(kind("weather?", "sunny")))
    assert labeller.label(action).labels.integrity is Integrity.UNTRUSTED
    glanced = labeller.glance(action)
    assert glanced is None or glanced.labels.integrity is Integrity.UNTRUSTED


def test_a_kind_of_content_that_can_be_read_and_edited_is_masked_and_restored(fast_engine: Engine) -> None:
    action = replace(send(), payload=Note(Told("weather?", "ask jane.doe@example.org")))
    labelled = GuardLabeller(engine=fast_engine).label(action)
    made = GuardTransformer(engine=fast_engine, pseudonyms=Pseudonyms(b"k" * 32)).transform(
        action,
        labelled=labelled,
        decision=Decision(Effect.ALLOW, obligations=Obligations(mask=frozenset({"pii"}), log=LogLevel.MASKED)),
        receiver=EVERYTHING,
    )
    sent: bytes = made.payload.content.to_bytes()
    assert b"jane.doe" not in sent
    assert made.keeper is not None and made.keeper.payload() == sent
    assert made.result(made.payload).content == action.payload.content


def test_ordinary_prompts_take_the_quick_look(engine: Engine) -> None:
    text = 'She said: "Look at\tthis.\r\n\nIt costs 3/4 of that"'
    document = JsonDocument.parse(json.dumps({"messages": [{"role": "user", "content": text}]}).encode())
    assert engine.is_clean(document.surface())


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "content": "fine"},
        {"role": "user", "content": "data:text/plain;base64,amFuZUBleGFtcGxlLm9yZw=="},
        {"role": "user", "content": [{"file": {"file_data": "amFuZUBleGFtcGxlLm9yZyBhbmQgbW9yZQ=="}}]},
        {"role": "user", "content": r"C:\new"},
        {"role": "user", "content": "é"},
        {"role": "user", "content": "jane%40example.org"},
        {"role": "user", "content": [{"type": "text", "text": "4111 1111"}, {"type": "text", "text": "1111 1111"}]},
        {"role": "user", "content": [{"text": "jane@"}, {"text": "example.org"}]},
        {"role": "user", "content": "x", "odd": 4111111111111111},
        {"role": "user", "content": "x", "odd": [4.111111111111111e15]},
        {"role": "user", "content": "x", "odd": 1e12},
    ],
)
def test_what_needs_a_walk_gets_one(fast_engine: Engine, message: dict[str, object]) -> None:
    document = JsonDocument.parse(json.dumps({"messages": [message]}).encode(), layout=CHAT_REQUEST)
    assert not fast_engine.is_clean(document.surface())


def test_a_part_by_itself_and_short_numbers_take_the_quick_look(fast_engine: Engine) -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "x"}], "t": 0.7, "n": 99999999999}
    document = JsonDocument.parse(json.dumps({"messages": [message]}).encode(), layout=CHAT_REQUEST)
    assert fast_engine.is_clean(document.surface())


def test_a_body_that_is_one_number_gets_a_walk(fast_engine: Engine) -> None:
    assert not fast_engine.is_clean(JsonDocument.parse(b"4111111111111111").surface())


keys = st.sampled_from(("text", "type", "a"))
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
bodies = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


@given(value=bodies)
def test_no_number_and_no_seam_is_overlooked(fast_engine: Engine, value: object) -> None:
    document = JsonDocument.parse(json.dumps({"messages": value}).encode(), layout=CHAT_REQUEST)
    if document.surface() is not None:
        assert not document.runs()
        long = [segment.text for segment in document.segments() if segment.text.lstrip("-").isdigit()]
        assert all(json.dumps(text).encode() in document.raw for text in long), "they are strings"
        assert fast_engine.scan_content(document) == fast_engine.scan(document.segments())


class _Beginning:
    """A detector that looks at where a text begins, which only the text itself tells."""

    manifest = DetectorManifest("detectors", "beginning", "Letters to Jane.", kinds=(Kind("name", "pii"),))
    patterns = (Pattern("greeting", "^Dear Jane"),)

    def judge(self, candidate: Candidate) -> list[Hit]:
        return [Hit(candidate.start, candidate.end, "name", 1.0)]


def test_detectors_that_ask_where_a_text_begins_get_the_texts() -> None:
    engine = Engine({"beginning": _Beginning()})
    document = JsonDocument.parse(b'{"content":"Dear Jane"}')
    assert not engine.is_clean(document.surface())

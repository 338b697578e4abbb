from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel.errors import Upstream
from headgate.wire.sse import SseEvent, SseParser, comment, frame

STREAM = (
    b': hello\n\ndata: {"a":1}\n\nevent: named\nid: 7\nretry: 5\ndata: first\ndata:second\ndata\n\n'
    b"data:[DONE]\n\nevent: no data\n\n\n\ndata: gr\xc3\xbc\xc3\x9fe\n\n"
)
EVENTS = [
    SseEvent("", b'{"a":1}'),
    SseEvent("named", b"first\nsecond\n"),
    SseEvent("", b"[DONE]"),
    SseEvent("", "grüße".encode()),
]


def parse(*chunks: bytes) -> list[SseEvent]:
    parser = SseParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    assert parser.finish() is None
    return events


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_events_come_out_whatever_the_line_ends_and_wherever_the_cuts(newline: bytes, bom: bytes) -> None:
    """Trap 40."""
    stream = bom + STREAM.replace(b"\n", newline)
    assert parse(stream) == EVENTS
    assert parse(*(stream[i : i + 1] for i in range(len(stream)))) == EVENTS
    for cut in range(len(stream)):
        assert parse(stream[:cut], stream[cut:]) == EVENTS


@given(
    st.lists(st.sampled_from((b"\r", b"\n", b"data:", b" ", b"x", b"event:", b":", b"\xc3\xbc")), max_size=30),
    st.data(),
)
@settings(max_examples=200, deadline=None)
def test_cuts_never_matter(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces) + b"\n\n"
    cut = data.draw(st.integers(0, len(stream)))
    whole, halves = SseParser(), SseParser()
    assert whole.feed(stream) == halves.feed(stream[:cut]) + halves.feed(stream[cut:])
    assert whole.finish() == halves.finish()


def test_the_event_that_a_stream_ends_in_is_told() -> None:
    """Trap 40: servers forget the last blank line, and cut streams end inside an event."""
    parser = SseParser()
    assert parser.feed(b"data: 1\n\ndata: [DO") == [SseEvent("", b"1")]
    assert parser.finish() == SseEvent("", b"[DO")
    assert parser.feed(b"data: [DONE]\n") == []
    assert parser.finish() == SseEvent("", b"[DONE]")
    assert parser.finish() is None
    assert parser.feed(b"event: nothing\n") == []
    assert parser.finish() is None


@pytest.mark.parametrize("line", [b"data: ", b": ", b"ignored: ", b"event: "])
def test_an_event_over_the_bound_cuts_the_stream(line: bytes) -> None:
    for stream in ([line + b"x" * 200 + b"\n\n"], [line] + [b"x"] * 200, [(line + b"x" * 10 + b"\n")] * 20):
        parser = SseParser(max_event_bytes=100)
        with pytest.raises(Upstream, match="more than 100 bytes"):
            for chunk in stream:
                parser.feed(chunk)


def test_many_events_may_be_larger_together_than_one_may_be() -> None:
    parser = SseParser(max_event_bytes=100)
    for _ in range(3):
        assert len(parser.feed(b"data: 0123456789\n\n" * 100)) == 100
    assert len(parser.feed(b"data: 0123456789\r\n\r\n" * 100)) == 100


def test_a_large_event_in_tiny_pieces_takes_linear_time() -> None:
    parser = SseParser()
    parser.feed(b"data: ")
    for _ in range(20_000):
        assert parser.feed(b"x" * 100) == []
    assert parser.feed(b"\n\n") == [SseEvent("", b"x" * 2_000_000)]


@given(st.binary(max_size=40), st.sampled_from(("", "message_start")))
@settings(max_examples=100, deadline=None)
def test_what_is_framed_parses_back(data: bytes, name: str) -> None:
    (event,) = parse(frame(data, name))
    assert event == SseEvent(name, data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))


def test_a_comment_is_no_event() -> None:
    assert comment("keep-alive") == b": keep-alive\n\n"
    assert comment("two\nlines") == b": two lines\n\n"
    assert parse(comment("keep-alive")) == []


def test_a_stream_that_ends_within_its_byte_order_mark_had_no_event() -> None:
    parser = SseParser()
    assert parser.feed(b"\xef\xbb") == []
    assert parser.finish() is None
    assert SseParser().feed(b"") == []

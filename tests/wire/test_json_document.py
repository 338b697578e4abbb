from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel.errors import Invalid, TooLarge
from headgate.wire.json_document import JsonDocument, Layout
from headgate.wire.json_edits import edit_fields, replace_first, replace_text
from headgate.wire.json_strings import number_text

CHAT = Layout(
    known_keys=frozenset(("messages", "role", "content", "type", "tools", "text", "file_data")),
    fields={"tools": "schema"},
    turns={"messages": "user"},
    roles={"system": "system", "assistant": "assistant"},
    types={"tool_result": "tool"},
    media_keys={"file_data": None, "data": ("type", "base64")},
)

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


@st.composite
def json_texts(draw: st.DrawFn) -> bytes:
    """JSON with odd spaces, odd escapes and odd numbers, as no serialiser would write it."""
    value = draw(st.dictionaries(st.text(), values, max_size=5))
    text = json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from((None, 0, 3, "\t", " \r\n"))),
        separators=draw(st.sampled_from(((",", ":"), (" ,\n", "\t : "), (", ", ": ")))),
    )
    return draw(st.sampled_from(("", " ", "\n\t"))).encode() + text.encode() + draw(st.sampled_from((b"", b"\r\n ")))


def parse(text: str | bytes, layout: Layout = CHAT) -> JsonDocument:
    return JsonDocument.parse(text.encode() if isinstance(text, str) else text, layout=layout)


def texts_of(text: str) -> list[tuple[str, str]]:
    return [(segment.text, segment.origin) for segment in parse(text).segments()]


def replaced(value: Any, names: dict[str, str]) -> Any:
    match value:
        case str():
            return names.get(value, value)
        case list():
            return [replaced(item, names) for item in value]  # pyright: ignore[reportUnknownVariableType] - any JSON
        case dict():
            return {names.get(key, key): replaced(item, names) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON
        case _:
            return names.get(number_text(value) or "no long number", value)


@given(json_texts())
@settings(max_examples=100, deadline=None)
def test_an_empty_edit_is_byte_identical(raw: bytes) -> None:
    assert parse(raw).edit({}).to_bytes() == raw
    assert parse(raw).edit_fields({}).to_bytes() == raw


@given(json_texts(), st.data())
@settings(max_examples=150, deadline=None)
def test_an_edit_changes_only_the_strings_that_it_names(raw: bytes, data: st.DataObject) -> None:
    document = JsonDocument.parse(raw)
    segments = document.segments()
    chosen = data.draw(st.sets(st.sampled_from(range(len(segments))), max_size=4)) if segments else set[int]()
    edited = document.edit({index: f'new "{index}"\n\u00e9\\' for index in chosen})
    expected = [f'new "{index}"\n\u00e9\\' if index in chosen else item.text for index, item in enumerate(segments)]
    assert [segment.text for segment in edited.segments()] == expected
    assert [segment.text for segment in parse(edited.to_bytes(), Layout()).segments()] == expected


@given(json_texts())
@settings(max_examples=100, deadline=None)
def test_rewriting_every_string_gives_the_decoded_value_with_every_string_rewritten(raw: bytes) -> None:
    document = JsonDocument.parse(raw)
    names = {segment.text: f"<{segment.text}>" for segment in document.segments()}
    edited = document.edit({index: names[segment.text] for index, segment in enumerate(document.segments())})
    assert json.loads(edited.to_bytes()) == replaced(json.loads(raw), names) == edited.value


@given(json_texts(), st.text(), values)
@settings(max_examples=150, deadline=None)
def test_a_field_can_be_set_and_removed_leaving_the_others(raw: bytes, key: str, value: Any) -> None:
    document = JsonDocument.parse(raw)
    before = json.loads(raw)
    with_it = document.insert((), key, json.dumps(value).encode())
    assert json.loads(with_it.to_bytes()) == {**before, key: value}
    assert list(json.loads(with_it.to_bytes())) == list({**before, key: value})
    without = document.edit_fields({(name,): None for name in list(before)[: len(before) // 2 + 1]})
    assert json.loads(without.to_bytes()) == {name: before[name] for name in list(before)[len(before) // 2 + 1 :]}


@given(json_texts(), st.data())
@settings(max_examples=100, deadline=None)
def test_any_subset_of_fields_can_be_removed_replaced_and_added_at_once(raw: bytes, data: st.DataObject) -> None:
    before: dict[str, Any] = json.loads(raw)
    fate = {name: data.draw(st.sampled_from(("keep", "remove", "replace"))) for name in before}
    edits = {(name,): None if does == "remove" else b"[1]" for name, does in fate.items() if does != "keep"}
    new = [name for name in data.draw(st.lists(st.text(), max_size=2, unique=True)) if name not in before]
    edited = JsonDocument.parse(raw).edit_fields({**edits, **{(name,): b"{}" for name in new}})
    kept = {name: before[name] if does == "keep" else [1] for name, does in fate.items() if does != "remove"}
    assert json.loads(edited.to_bytes()) == {**kept, **{name: {} for name in new}}


def test_a_nested_replacement_keeps_all_other_bytes() -> None:
    raw = '{ "a" : [ 1.50, {"b":"\\u00e9" , "c" : 1e3} ],\n "z":\t-0 }'
    edited = parse(raw).edit_fields({("a", 1, "c"): b"7", ("a", 1, "d"): b'"new"', ("z",): None})
    assert edited.to_bytes().decode() == '{ "a" : [ 1.50, {"b":"\\u00e9" , "c" : 7,"d":"new"} ] }'


@pytest.mark.parametrize("path", [("a", "x"), ("no", "where"), ("l", 3), ("l", "x"), (0,)])
def test_a_path_that_leads_nowhere_is_an_error(path: tuple[str | int, ...]) -> None:
    with pytest.raises(KeyError):
        edit_fields(b'{"a": 1, "l": [1, 2]}', {path: b"0"})


def test_items_of_lists_are_not_removed_and_edits_do_not_lie_within_one_another() -> None:
    with pytest.raises(KeyError):
        parse('{"l": [1, 2]}').remove(("l", 0))
    with pytest.raises(KeyError):
        edit_fields(b'{"a": {"b": 1}}', {("a",): b"0", ("a", "b"): b"1"})
    with pytest.raises(KeyError):
        replace_first(b'{ "a": 1, "b" : [2, "}"] }', "c", b"0")
    assert edit_fields(b"{}", {}) == b"{}"
    assert replace_first(b'{ "\\u0061": 1, "b" : [2, "}"] }', "b", b"0") == b'{ "\\u0061": 1, "b" : 0 }'
    assert replace_first(b'{ "\\u0061": 1 }', "a", b"0") == b'{ "\\u0061": 0 }'
    assert parse('{"a": 1, "b": 2}').edit_fields({("a",): b"0", ("b",): b"9"}).raw == b'{"a": 0, "b": 9}'


@pytest.mark.parametrize(
    ("raw", "path", "old", "edited"),
    [
        ('{"x": {"k":"a"}}', ("x", "k"), "a", '{"x": {"k":"b"}}'),
        ('{"x": {"k": "a"}}', ("x", "k"), "a", '{"x": {"k": "b"}}'),
        ('{"x": {"k" : "\\u0061"}}', ("x", "k"), "a", '{"x": {"k" : "b"}}'),
        ('{"y": {"k":"a"}, "x": {"k":"a"}}', ("x", "k"), "a", '{"y": {"k":"a"}, "x": {"k":"b"}}'),
        ('{"y": "\\"k\\":\\"a\\"", "x": {"k":"a"}}', ("x", "k"), "a", '{"y": "\\"k\\":\\"a\\"", "x": {"k":"b"}}'),
        ('{"y": "k", "x": {"k":"a"}}', ("x", "k"), "a", '{"y": "k", "x": {"k":"b"}}'),
    ],
)
def test_a_text_is_replaced_at_its_path_and_nowhere_else(
    raw: str, path: tuple[str | int, ...], old: str, edited: str
) -> None:
    assert replace_text(raw.encode(), path, old=old, new=b'"b"').decode() == edited


def test_strings_come_in_order_with_whoever_wrote_them_and_callers_keys_too() -> None:
    assert texts_of(
        '{"messages":[{"role":"system","content":"S"},{"role":"user","content":[{"type":"text","text":"U"},'
        '{"type":"tool_result","content":"R"}]},{"role":"assistant","content":"A"}],"tools":[{"x-key":"T"}],"user":"P"}'
    ) == [
        ("system", "system"),
        ("S", "system"),
        ("user", "user"),
        ("text", "user"),
        ("U", "user"),
        ("tool_result", "tool"),
        ("R", "tool"),
        ("assistant", "assistant"),
        ("A", "assistant"),
        ("x-key", "schema"),
        ("T", "schema"),
        ("user", "parameter"),
        ("P", "parameter"),
    ]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"a": 1,\n "b": }', "line 2, column 7"),
        (b'{"a": 1, "\\u0061": 2}', "repeats the key 'a'"),
        (b'{"x": [{"deep": {"k": 1, "k": 1}}]}', "repeats the key 'k'"),
        (b'{"a": "\xff"}', "not UTF-8: byte 7"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\uDFFF": 1}', "surrogate"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'\xef\xbb\xbf{"a": 1}', "byte order mark"),
        (b"", "line 1, column 1"),
        (b'{"a": 1} {}', "extra data"),
        (b'{"a": "\n"}', "control character"),
        (b"{'a': 1}", "line 1, column 2"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
    ],
)
def test_what_parsers_disagree_on_is_refused_with_what_and_where(body: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        parse(body)


def test_nesting_beyond_the_bound_is_refused_without_crash_or_delay() -> None:
    for depth in (129, 2_000, 20_000, 1_000_000):
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
            started_s = time.thread_time()
            with pytest.raises(TooLarge, match="nested deeper than 128"):
                parse(opening * depth + b"1" + closing * depth)
            assert time.thread_time() - started_s < 1.0
    assert parse(b"[" * 128 + b"]" * 128).segments() == ()
    assert len(parse(b"[" + b"[]," * 5000 + b"1]").value) == 5001


def test_a_body_over_the_size_is_refused_before_decoding() -> None:
    with pytest.raises(TooLarge, match="11 bytes; at most 10"):
        JsonDocument.parse(b'"' * 11, max_bytes=10)


def test_edits_that_make_two_keys_equal_are_refused() -> None:
    document = parse('{"x": {"anna@example.org": 1, "bert@example.org": 2}}')
    keys = [index for index, segment in enumerate(document.segments()) if "@" in segment.text]
    with pytest.raises(Invalid, match="repeats the key"):
        document.edit(dict.fromkeys(keys, "[email]"))


def test_a_segment_that_is_not_there_cannot_be_edited() -> None:
    with pytest.raises(IndexError, match="has 1 segments"):
        parse('["a"]').edit({1: "b"})


def test_text_in_base64_is_scanned_as_text_and_edited_as_text() -> None:
    secret = base64.b64encode(b"my number is 12345, please").decode()
    for raw, prefix in (
        (f'{{"messages":[{{"content":"data:text/plain;base64,{secret}"}}]}}', "data:text/plain;base64,"),
        (f'{{"messages":[{{"content":"DATA:image/png;base64,{secret}"}}]}}', "DATA:image/png;base64,"),
        (f'{{"messages":[{{"file_data":"{secret}"}}]}}', ""),
        (f'{{"messages":[{{"content":"data:;base64,{secret.rstrip("=")}"}}]}}', "data:;base64,"),
    ):
        document = parse(raw)
        index = next(i for i, segment in enumerate(document.segments()) if segment.text == "my number is 12345, please")
        edited = document.edit({index: "gone"}).to_bytes().decode()
        assert f'"{prefix}{base64.b64encode(b"gone").decode()}"' in edited


def test_percent_encoded_text_in_a_data_uri_is_scanned_decoded() -> None:
    document = parse('{"messages":[{"content":"data:text/plain,anna%40example.org"}]}')
    assert [segment.text for segment in document.segments()] == ["anna@example.org"]
    assert b'"data:text/plain,%5Bemail%5D"' in document.edit({0: "[email]"}).to_bytes()


def test_images_are_skipped_only_if_they_are_images() -> None:
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()
    assert texts_of(f'{{"messages":[{{"content":"data:image/png;base64,{png}"}}]}}') == []
    assert texts_of(f'{{"messages":[{{"file_data":"{png}"}}]}}') == []
    for smuggled in (
        f"data:image/png;base64,{png} and my password is hunter2",
        "data:image/png;base64,AKIAIOSFODNN7EXAMPLE",
        "data:image/png;base64",
        "data:application/octet-stream;base64," + base64.b64encode(b"\x00\xff\xfe binary").decode(),
        "data:text/plain;base64,A",
        "data:image/png;base64,\u00e9",
        "data: my password is hunter2",
    ):
        ((text, _),) = texts_of(json.dumps({"messages": [{"content": smuggled}]}))
        assert text == smuggled


def _coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


_PNG = _coded(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))


@pytest.mark.parametrize(
    "part",
    [
        {"url": f"data:image/png;base64,{_PNG}"},
        {"file_data": _PNG},
        {"file_data": f"data:image/png;base64,{_PNG}"},
        {"file_data": _coded(b"\xff\xfe\xfd of no known format")},
        {"file_data": "/w=="},
        {"file_data": "no base64!"},
        {"type": "base64", "data": _coded(b"\xff" * 40)},
        {"data": _PNG},
        {"url": "data:text/plain;base64," + _coded("zażółć".encode("iso-8859-2"))},
        {"url": "data:text/plain;base64," + _coded("anna@example.org".encode("utf-16-le"))},
        {"url": "data:text/plain;name=anna@example.org;base64,aGk="},
        {"url": "data:image/4111111111111111;base64,aGk="},
        {"url": "data:image/png;base64,%%%"},
        {"url": f"data:{'a' * 300}/b,hello"},
    ],
)
def test_what_holds_more_than_can_be_scanned_makes_its_document_opaque(part: dict[str, str]) -> None:
    document = parse(json.dumps({"messages": [{"role": "user", "content": [part]}]}))
    assert document.is_opaque
    assert document.replace(("model",), b'"m"').is_opaque


def test_a_media_key_spelled_with_escapes_is_one() -> None:
    assert parse(r'{"messages":[{"file\u005fdata":"/w=="}]}').is_opaque


def test_what_a_uri_says_of_itself_is_scanned_where_it_says_more_than_a_type() -> None:
    for uri in ("data:text/plain;name=anna@example.org;base64,aGk=", "data:image/4111111111111111;base64,aGk="):
        assert texts_of(json.dumps({"messages": [{"url": uri}]}))[1:] == [(uri, "user")]


@pytest.mark.parametrize("text", ["YW5uYUBl\r\neGFtcGxlLm9yZw==", "YW5uYUBleGFtcGxlLm9yZw", "YW5uYUBleGFtcGxlLm9yZw=="])
def test_base64_as_lenient_decoders_read_it_is_scanned_as_text(text: str) -> None:
    document = parse(json.dumps({"messages": [{"file_data": text}]}))
    assert [segment.text for segment in document.segments()] == ["anna@example.org"]
    assert not document.is_opaque


@pytest.mark.parametrize(
    "part",
    [
        {"text": "my password"},
        {"text": "data: my password, and 1/2 of yours"},
        {"text": "data:1,2,3"},
        {"url": "data:text/plain,hello"},
        {"url": "data:text/plain;charset=utf-8;base64,aGVsbG8="},
        {"type": "text", "data": "A document in plain words"},
        {"type": "redacted_thinking", "data": _coded(b"\xff" * 40)},
        {"input": {"data": "an argument of some tool, with a name that media have elsewhere"}},
        {"url": "https://example.org/a.png"},
    ],
)
def test_what_is_text_through_and_through_leaves_its_document_open(part: dict[str, Any]) -> None:
    assert not parse(json.dumps({"messages": [{"role": "user", "content": [part]}]})).is_opaque


def test_declared_text_that_is_not_utf8_is_scanned_with_replacements() -> None:
    mixed = base64.b64encode(b"\x89PNG\r\n\x1a\n my password is hunter2 \xff").decode()
    ((text, _),) = texts_of(f'{{"messages":[{{"content":"data:text/plain;base64,{mixed}"}}]}}')
    assert "my password is hunter2" in text


def test_a_body_that_is_no_object_is_refused_where_fields_are_asked_for() -> None:
    for raw, kind in (
        ("[]", "a list"),
        ("null", "null"),
        ("1", "a number"),
        ("true", "a boolean"),
        ('"x"', "a string"),
    ):
        with pytest.raises(Invalid, match=f"must be a JSON object, not {kind}"):
            parse(raw).fields()


def test_a_document_that_is_mere_text_is_one_segment() -> None:
    document = parse('"my password"')
    assert document.edit({0: "x"}).to_bytes() == b'"x"'
    assert [segment.origin for segment in parse('["a", {"b": "c"}]').segments()] == ["parameter"] * 3


def test_a_bare_string_under_a_media_key_is_scanned_as_it_stands_unless_it_is_base64() -> None:
    for text in ("short", "this is a long sentence, not base64 at all"):
        assert texts_of(json.dumps({"messages": [{"file_data": text}]})) == [(text, "user")]


@given(json_texts())
def test_every_segment_stands_whole_in_the_surface(text: bytes) -> None:
    document = parse(text)
    surface = document.surface()
    if surface is not None:
        assert all(segment.text.encode() in surface for segment in document.segments())


def test_a_key_spelled_with_escapes_is_the_one_that_is_replaced() -> None:
    document = parse(rb'{"\u006dodel":"alias","metadata":{"model":"alias"}}')
    assert document.replace(("model",), b'"real"').raw == rb'{"\u006dodel":"real","metadata":{"model":"alias"}}'


def test_long_numbers_are_segments_and_give_way_to_strings() -> None:
    rest = b"99999999999, 0.123456789012, 1e400, true]"
    raw = b'{"a": [4111111111111111, -412345678901 , 1.0E12, ' + rest + b', "text": "411111111111"}'
    document = parse(raw)
    found = [segment.text for segment in document.segments()]
    assert found == ["a", "4111111111111111", "-412345678901", "1000000000000", "411111111111"]
    edited = document.edit({1: "card", 3: "many", 4: "x"}).to_bytes()
    assert edited == (b'{"a": ["card", -412345678901 , "many", 99999999999, 0.123456789012, 1e400, true], "text": "x"}')
    assert [segment.text for segment in parse("1234567890123").segments()] == ["1234567890123"]


@pytest.mark.parametrize(
    ("turns", "runs"),
    [
        ('{"role": "user", "content": "a"}, {"role": "nobody", "content": "b"}', [["a", "b"]]),
        ('{"role": "user", "content": "a"}, 7, {"content": "b"}', [["a", "b"]]),
        ('{"role": "user", "content": "a"}, {"role": "assistant"}, {"role": "user", "content": "b"}', [["a", "b"]]),
    ],
)
def test_turns_of_nobody_known_may_be_anybodys(turns: str, runs: list[list[str]]) -> None:
    document = parse(f'{{"messages": [{turns}]}}')
    segments = document.segments()
    assert document.surface() is None
    assert [[segments[index].text for index in run.segments] for run in document.runs()] == runs


@pytest.mark.parametrize(
    ("content", "runs"),
    [
        ('[{"type": "text", "text": "a"}, {"text": "b", "type": "text"}]', [["a", "b"]]),
        ('[{"text": "a"}, {"image": {"url": "u"}}, {"text": "b"}, {"text": "c"}]', [["a", "b", "c"]]),
        ('[{"text": "a", "more": [{"text": "x"}, {"text": "y"}]}, {"text": "b"}]', [["a", "x", "y", "b"]]),
        ('[{"text": "a"}, {"text": 1}, 7, {"text": "b"}]', [["a", "b"]]),
        ('[{"text": "data:;base64,aGVsbG8="}, {"text": "b"}]', []),
        ('["a", {"text": "b"}]', []),
    ],
)
def test_texts_of_neighbouring_parts_are_a_run(content: str, runs: list[list[str]]) -> None:
    turns = f'{{"role": "user", "content": {content}}}, {{"role": "assistant", "content": "z"}}'
    document = parse(f'{{"role": "x", "messages": [{turns}]}}')
    segments = document.segments()
    assert [[segments[index].text for index in run.segments] for run in document.runs()] == runs
    assert all(run.is_one_text for run in document.runs())


def test_an_opaque_document_stays_one_when_it_is_edited() -> None:
    document = parse('{"input": [1, 2], "model": "m"}').opaque()
    assert document.is_opaque
    assert document.replace(("model",), b'"n"').is_opaque


def test_what_was_said_is_told_from_what_was_asked() -> None:
    turns = [
        '{"role": "user", "content": "asked"}',
        '{"role": "assistant", "content": "said"}',
        '{"role": "assistant", "content": [{"type": "text", "text": "and"}, {"text": "more"}, {"text": 7}, "x"]}',
        '{"role": "assistant", "content": null}',
        '{"role": 7}',
        "7",
    ]
    assert parse(f'{{"messages": [{", ".join(turns)}]}}').spoken() == ["said", "and", "more"]
    assert not parse('{"messages": "none, assistant"}').spoken()
    assert not parse('["assistant"]').spoken()

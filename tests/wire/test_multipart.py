"""Forms with files: parsed strictly, and written again."""

from __future__ import annotations

import httpx2
import pytest

from headgate.kernel.errors import HeadgateError
from headgate.wire.multipart import Form, Part, is_form, parse_form

KIND = "multipart/form-data; boundary=b"
FIELD = b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n'


def form_of(body: bytes, kind: str = KIND) -> Form:
    """Return the form in a body."""
    return parse_form(body, kind)


def test_a_form_of_an_http_client_is_read_and_written_again() -> None:
    sent = httpx2.Request(
        "POST",
        "http://headgate.test/",
        data={"model": "whisper", "prompt": "Zürich"},
        files={"file": ('a "b".wav', b"RIFF\r\n\r\n--\x00", "audio/wav")},
    )
    kind = sent.headers["content-type"]
    form = parse_form(sent.read(), kind)
    assert is_form(kind) and not is_form("application/json")
    assert form.text("model") == "whisper" and form.text("prompt") == "Zürich" and form.text("none") is None
    assert form.file("file") == Part("file", b"RIFF\r\n\r\n--\x00", 'a "b".wav', "audio/wav")
    assert [part.name for part in form.fields()] == ["model", "prompt"]
    edited = form.with_texts({"model": "whisper-1", "response_format": "json"})
    again = parse_form(edited.to_bytes(), edited.content_type)
    assert again == edited
    assert (again.text("model"), again.text("response_format")) == ("whisper-1", "json")
    assert again.files() == form.files()


def test_names_of_files_in_other_spellings() -> None:
    body = (
        b"--b\r\nContent-Disposition: form-data; name=x; filename*=UTF-8''Z%C3%BC.txt\r\n\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="y"; filename="a\\"b"\r\nContent-Type: bad\r\n'
        b"content-transfer-encoding: binary\r\n\r\nd\r\n--b--\r\n"
    )
    form = form_of(body)
    assert [part.filename for part in form.parts] == ["Zü.txt", 'a"b']
    assert form.parts[0].data == b""
    assert parse_form(form.to_bytes(), form.content_type).parts[1].content_type is None  # not written as it was bad


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "does not begin"),
        (b"preamble\r\n" + FIELD + b"--b--\r\n", "does not begin"),
        (FIELD, "ends before"),
        (FIELD + b"--b--\r\nmore", "goes on"),
        (FIELD + b"--bx", "line of its own"),
        (b"--b\r\ncontent-disposition: form-data\r\n\r\n1\r\n--b--\r\n", "with a name"),
        (b'--b\r\ncontent-disposition: attachment; name="a"\r\n\r\n1\r\n--b--\r\n', "with a name"),
        (b'--b\r\ncontent-disposition: form-data; name="a"; name="b"\r\n\r\n1\r\n--b--\r\n', "malformed or repeated"),
        (b'--b\r\ncontent-disposition: form-data; name="a\r\n\r\n1\r\n--b--\r\n', "malformed or repeated"),
        (b"--b\r\nno header\r\n\r\n1\r\n--b--\r\n", "malformed or repeated"),
        (b"--b\r\n\r\n1\r\n--b--\r\n", "no headers"),
        (b"--b\r\n" + b"x: y" * 2000 + b"\r\n\r\n1\r\n--b--\r\n", "4096 bytes"),
        (FIELD.replace(b"\r\n\r\n", b"\r\ncontent-transfer-encoding: base64\r\n\r\n") + b"--b--\r\n", "without one"),
        (FIELD.replace(b'"a"', b"\"a\"; filename*=latin-1''x") + b"--b--\r\n", "not UTF-8"),
        (FIELD * 257 + b"--b--\r\n", "more than 256"),
    ],
)
def test_a_malformed_form_is_refused(body: bytes, told: str) -> None:
    with pytest.raises(HeadgateError, match=told):
        form_of(body)


def test_a_form_needs_its_content_type() -> None:
    for kind in ("application/json", "multipart/form-data", 'multipart/form-data; boundary=""', ""):
        with pytest.raises(HeadgateError, match="content-type"):
            form_of(FIELD + b"--b--\r\n", kind)


def test_a_value_that_is_not_one_text_is_refused() -> None:
    form = Form((Part("a", b"1"), Part("a", b"2"), Part("f", b"x", "f"), Part("bad", b"\xff")), "b")
    for name, told in (("a", "2 times"), ("f", "not a file"), ("bad", "not UTF-8")):
        with pytest.raises(HeadgateError, match=told):
            form.text(name)
    with pytest.raises(HeadgateError, match="one file"):
        form.file("a")
    with pytest.raises(HeadgateError, match="boundary"):
        form.with_texts({"f2": "x--b"}).to_bytes()

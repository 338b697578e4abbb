"""Signatures of requests to AWS, compared with botocore's over many requests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.kernel.errors import Invalid
from headgate.wire.aws_signing import AwsKey, sigv4_headers
from headgate.wire.provider import Unsigned

NOW = datetime(2026, 1, 5, 9, 30, 15, tzinfo=UTC)
KEY = AwsKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
PATHS = st.lists(st.text(min_size=0, max_size=12).map(lambda one: quote(one, safe="~:@!$&'()*+,;=")), max_size=5)
PAIRS = st.lists(
    st.tuples(*[st.text(max_size=8).map(lambda one: quote(one, safe="-._~"))] * 2).map("=".join), max_size=5
)
HEADERS = st.dictionaries(
    st.sampled_from(["accept", "x-amzn-bedrock-trace", "Content-Type", "x-b", "user-agent", "connection"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
)


def botocores(request: Unsigned, key: AwsKey, *, region: str) -> dict[str, str]:
    """The headers after botocore has signed the request at the same time."""
    made: Any = AWSRequest(request.method, request.url, headers=dict(request.headers), data=request.body)
    auth: Any = SigV4Auth(Credentials(key.id, key.secret, key.session), "bedrock", region)
    with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        auth.add_auth(made)
    return {name.lower(): str(value) for name, value in made.headers.items()}


@given(
    path=PATHS,
    query=PAIRS,
    headers=HEADERS,
    body=st.binary(max_size=64),
    session=st.none() | st.just("FwoGZXIvYXdzE//token=="),
    host=st.sampled_from(["bedrock-runtime.eu-central-1.amazonaws.com", "127.0.0.1:8443", "proxy.example.org:443"]),
    method=st.sampled_from(["POST", "GET"]),
)
@example(["model", "anthropic.claude-v2%3A1", "converse"], [], {}, b"", None, "vpce-1.amazonaws.com", "POST")
@example(["a", "..", "", ".", "b", ""], ["b=2", "b=1", "a", "a="], {}, b"{}", "token", "[::1]:9000", "POST")
def test_a_signature_is_botocores(
    path: list[str],
    query: list[str],
    headers: dict[str, str],
    body: bytes,
    session: str | None,
    host: str,
    method: str,
) -> None:
    url = f"https://{host}/{'/'.join(path)}" + (f"?{'&'.join(query)}" if query else "")
    request = Unsigned(method, url, tuple(headers.items()), body)
    key = KEY._replace(session=session)
    ours = dict(sigv4_headers(key, request, region="eu-central-1", service="bedrock", now=NOW))
    theirs = botocores(request, key, region="eu-central-1")
    assert ours["authorization"] == theirs["authorization"]
    assert ours["x-amz-date"] == theirs["x-amz-date"]
    assert ours.get("x-amz-security-token") == theirs.get("x-amz-security-token")


@pytest.mark.parametrize("text", ["", "AKID", "AKID:", ":secret", "a:b:c:d", "a b:c", "a:b:"])
def test_a_key_of_another_form_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(Invalid, match="ACCESS_KEY_ID:SECRET_ACCESS_KEY") as caught:
        AwsKey.parse(text)
    assert text not in caught.value.message or len(text) < 2 or text == "AKID"


def test_a_key_is_read_with_and_without_a_session() -> None:
    assert AwsKey.parse("AKID:secret/+=") == AwsKey("AKID", "secret/+=")
    assert AwsKey.parse(" AKID:secret:token== \n") == AwsKey("AKID", "secret", "token==")

"""Where a provider takes a call: a path that may hold the model and differ for streams."""

from __future__ import annotations

import pytest

from headgate.kernel.errors import Invalid
from headgate.wire.provider import Endpoint

PLAIN = Endpoint("openai_chat", "/chat/completions")
NAMED = Endpoint("gemini", "/models/{model}:say", stream_path="/models/{model}:tell?alt=sse")


def test_a_path_holds_the_model_and_the_stream_where_the_provider_says_so() -> None:
    assert [PLAIN.path_of("../m", streams=streams) for streams in (False, True)] == ["/chat/completions"] * 2
    assert NAMED.path_of("gem-1", streams=False) == "/models/gem-1:say"
    assert NAMED.path_of("gem-1", streams=True) == "/models/gem-1:tell?alt=sse"


@pytest.mark.parametrize(
    ("model", "written"),
    [
        ("tuned/mine", "tuned%2Fmine"),
        ("a b?c#d&e=f", "a%20b%3Fc%23d%26e%3Df"),
        ("a:b@c", "a%3Ab%40c"),
        ("%2e%2e", "%252e%252e"),
        ("line\r\nhost: x", "line%0D%0Ahost%3A%20x"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("v1.5..x", "v1.5..x"),
    ],
)
def test_a_model_stays_one_segment_of_the_path(model: str, written: str) -> None:
    assert NAMED.path_of(model, streams=False) == f"/models/{written}:say"


@pytest.mark.parametrize("model", ["", ".", "..", "a/../b", "../keys", "a/", "/a", "a//b", "a\\..\\b"])
def test_a_model_that_would_lead_to_another_path_is_refused(model: str) -> None:
    with pytest.raises(Invalid, match="cannot stand in the path") as caught:
        NAMED.path_of(model, streams=False)
    assert caught.value.param == "model"

"""The paths of model calls are what dialects declare, and two of them cannot take the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from headgate.kernel.errors import Conflict, HeadgateError, Invalid
from headgate.server.paths import Paths
from headgate.wire.dialect import ClientDialect, Route
from headgate.wire.dialects import load_dialects
from headgate.wire.openai_chat import OpenAiChat
from headgate.wire.openai_plane import OPENAI
from headgate.wire.plane import Plane

ACME = replace(OPENAI, name="acme", base_path="/acme")
BUILT_IN = list(load_dialects().clients.values())


def declaring(*paths: str, plane: Plane = ACME) -> ClientDialect:
    """A dialect with these paths; one with `stream` in it asks for a stream."""
    routes = [Route("POST", path, "chat", stream="stream" in path) for path in paths]
    parts: dict[str, Any] = {"name": "acme", "plane": plane, "routes": routes}
    return cast("ClientDialect", type("Acme", (OpenAiChat,), parts)())


def test_a_path_with_the_model_in_it_is_found_with_its_model_whatever_the_model_is_called() -> None:
    acme = declaring("/acme/models/{model}:say", "/acme/models/{model}:stream", "/acme/models/{model}")
    paths = Paths([*BUILT_IN, acme])
    for path, declared, model, stream in (
        ("/acme/models/gem:say", "/acme/models/{model}:say", "gem", False),
        ("/acme/models/team/gem:stream/", "/acme/models/{model}:stream", "team/gem", True),
        ("/acme/acme/models/gem:say", "/acme/models/{model}:say", "gem", False),
        ("/acme/models/gem:other", "/acme/models/{model}", "gem:other", False),
    ):
        found = paths.find(path)
        assert found is not None
        assert (found.path, found.plane) == (declared, ACME)
        match = found.calls["POST"].match
        assert (match.operation, match.model, match.stream) == ("chat", model, stream)
    assert paths.find("/acme/models/") is None
    assert paths.names == {"openai", "anthropic", "acme", "gemini"}
    assert {"/v1/responses", "/acme/models/{model}:say"} <= set(paths.served)


def test_a_wrong_base_url_is_told_with_that_of_the_plane() -> None:
    paths = Paths([*BUILT_IN, declaring("/acme/say")])
    scope: dict[str, Any] = {"method": "POST", "path": "/proxy/say", "headers": []}
    assert paths.no_such_path(scope).message.endswith("Set it to this Headgate's address followed by /acme")


@pytest.mark.parametrize(
    ("dialect", "error", "why"),
    [
        (declaring("/v1/chat/completions"), Conflict, "two dialects serve POST /v1/chat/completions"),
        (declaring("/acme/a", "/acme/a"), Conflict, "two dialects serve POST /acme/a"),
        (declaring("/acme/a", plane=replace(OPENAI)), Conflict, "a second plane openai"),
        (declaring("/acme/a", plane=replace(ACME, name="api")), Conflict, "a second plane api"),
        (declaring("/api/a"), Invalid, "belongs to Headgate itself"),
        (declaring("/v1/models"), Invalid, "belongs to Headgate itself"),
        (declaring("acme/a"), Invalid, "cannot serve acme/a"),
        (declaring("/acme"), Invalid, "cannot serve /acme"),
        (declaring("/acme/a/"), Invalid, "cannot serve /acme/a/"),
        (declaring("/{model}/a"), Invalid, "at most one {model}"),
        (declaring("/acme/{model}/{model}"), Invalid, "at most one {model}"),
    ],
)
def test_what_a_dialect_may_not_declare_is_refused(
    dialect: ClientDialect, error: type[HeadgateError], why: str
) -> None:
    with pytest.raises(error, match=why):
        Paths([*BUILT_IN, dialect])

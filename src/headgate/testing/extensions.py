"""Checks of the contract of each kind of extension.

The test suite runs them on every installed extension.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import re2

from headgate.kernel.connector import Connector
from headgate.kernel.detection import ANY, Candidate, Detector, DetectorManifest
from headgate.kernel.errors import Unavailable
from headgate.kernel.labels import Custody
from headgate.server.paths import Paths
from headgate.substrate.egress import parse_url
from headgate.wire.dialect import MODEL, Dialect
from headgate.wire.dialects import Dialects, dialects_of, load_dialects
from headgate.wire.provider import Provider, Unsigned, endpoints_of

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_WORD = re.compile(r"[A-Z]{0,16}")
_SECRET = "a-secret-of-the-contract"  # noqa: S105 - not a secret
_ODD_TEXTS = ("", " ", "0" * 5000, "a" * 5000, "4111 1111 1111 1111", "\u202e\u0000\U0001f600" * 50, "x@" * 2000)


def check_dialect(dialect: Dialect) -> None:
    """Check the contract of a dialect: a name, a complete client or provider side, allowed paths.

    Raises:
        AssertionError: the dialect breaks the contract; the message says where.
        Invalid: the dialect has only a part of a side, or declares an invalid path.
    """
    manifest = dialect.manifest
    assert manifest.kind == "dialects", f"its manifest is of kind {manifest.kind}"
    assert _NAME.fullmatch(manifest.name), f"{manifest.name!r} is no name"
    assert manifest.summary, "its manifest has no summary"
    assert dialect.name == manifest.name, "its name is not its manifest's"
    ends = dialects_of([dialect])
    for client in ends.clients.values():
        assert client.routes, "it serves no path"
        Paths([client])
        refused = client.plane.write_error(Unavailable("not now"), request_id="a request")
        assert 500 <= refused.status < 600, "an error of ours is told as the client's"
        assert "not now" in refused.body.decode(), "an error does not say what happened"
    for provider in ends.providers.values():
        for begin in provider.answer_headers.read:
            assert begin == begin.lower(), f"header {begin} is not in lower case"


def check_provider(provider: Provider, *, dialects: Dialects | None = None) -> None:
    """Check the contract of a provider: a name, known dialects, an address, credential headers.

    Args:
        dialects: the dialects to choose from; None: the installed ones.

    Raises:
        AssertionError: the provider breaks the contract; the message says where.
    """
    manifest = provider.manifest
    assert manifest.kind == "providers", f"its manifest is of kind {manifest.kind}"
    assert _NAME.fullmatch(manifest.name), f"{manifest.name!r} is no name"
    assert manifest.summary, "its manifest has no summary"
    assert provider.endpoints, "it offers no operation"
    assert provider.capability.operations <= provider.endpoints.keys(), "it claims an operation without an endpoint"
    spoken = (dialects or load_dialects()).providers
    for endpoint in endpoints_of(provider):
        assert endpoint.dialect in spoken, f"there is no dialect {endpoint.dialect} for providers"
        for path in (endpoint.path, endpoint.stream_path or endpoint.path):
            assert path.startswith("/"), f"{endpoint.dialect}: its path does not begin with /"
            plain = _without(path.replace(MODEL, ""), provider)
            assert not set("{}") & set(plain), f"{endpoint.dialect}: {path} holds more than {MODEL} and its options"
    _check_address(provider)
    for name, option in provider.options.items():
        assert _NAME.fullmatch(name), f"{name!r} is no name of an option"
        assert option.says, f"the option {name} has no sentence"
        for value in filter(None, (option.default, option.example)):
            assert option.pattern.fullmatch(value), f"{value!r} cannot be the option {name}"
    for name, value in (*provider.credential(_SECRET), *provider.credential(None), *provider.headers):
        assert name == name.lower(), f"header {name} is not in lower case"
        assert value.isprintable(), f"header {name} holds what a header cannot"
    if provider.sign is not None:
        _check_signer(provider)
    assert any(_SECRET in value for _, value in provider.credential(_SECRET)), (
        "its credential does not carry the secret"
    )
    assert not any(_SECRET in value for _, value in provider.credential(None)), "it remembers a secret"


def check_connector(connector: Connector) -> None:
    """Check the contract of a connector: a name, and options that refuse unknown fields.

    Raises:
        AssertionError: the connector breaks the contract; the message says where.
    """
    manifest = connector.manifest
    assert manifest.kind == "connectors", f"its manifest is of kind {manifest.kind}"
    assert _NAME.fullmatch(manifest.name), f"{manifest.name!r} is no name"
    assert manifest.summary, "its manifest has no summary"
    assert connector.at_once >= 1, "it fetches nothing at the same time"
    config = connector.options.__struct_config__
    assert config.frozen, "its options can be changed"
    assert config.forbid_unknown_fields, "its options take unknown fields"


def _check_address(provider: Provider) -> None:
    """Check that the usual address is one of a vendor with https, or one of this machine."""
    address = provider.address(None, {name: one.example or "x" for name, one in provider.options.items()})
    if address is None:
        return
    origin = parse_url(address).origin
    if provider.custody is Custody.ORGANISATION:
        assert origin.host == "127.0.0.1", "its usual address is not on this machine"
    else:
        assert origin.scheme == "https", "its usual address is not https"


def _check_signer(provider: Provider) -> None:
    """Check that signing is pure, and that a signature holds no secret."""
    assert provider.sign is not None
    secret, request = f"id:{_SECRET}", Unsigned("POST", "https://example.org/a%3Ab", (("accept", "a"),), b"{}")
    options = {name: one.example for name, one in provider.options.items()}
    signed = [provider.sign(secret, request, options=options, now=datetime(2026, 1, 5, tzinfo=UTC)) for _ in range(2)]
    assert signed[0] == signed[1], "it signs one request in two ways"
    assert not any(_SECRET in value for _, value in signed[0]), "its signature holds the secret"


def _without(path: str, provider: Provider) -> str:
    for name in provider.options:
        path = path.replace(f"{{{name}}}", "")
    return path


def check_detector(detector: Detector) -> None:
    """Check the contract of a detector: a name, declared kinds, patterns, hits within odd texts.

    Raises:
        AssertionError: the detector breaks the contract; the message says where.
    """
    manifest = detector.manifest
    assert manifest.kind == "detectors", f"its manifest is of kind {manifest.kind}"
    assert _NAME.fullmatch(manifest.name), f"{manifest.name!r} is no name"
    assert isinstance(manifest, DetectorManifest), "its manifest declares no kinds"
    assert manifest.kinds, "its manifest declares no kind of value"
    for kind in manifest.kinds:
        assert kind.name == ANY or _NAME.fullmatch(kind.name), f"{kind.name!r} is no kind"
        assert _NAME.fullmatch(kind.category), f"{kind.category!r} is no category"
        assert _WORD.fullmatch(kind.word), f"{kind.word!r} is no word of a token: at most 16 capital letters"
    ids = [pattern.id for pattern in detector.patterns]
    assert ids, "it looks for nothing"
    assert len(ids) == len(set(ids)), "two of its patterns have one id"
    for pattern in detector.patterns:
        assert not re.search(r"\(\?[=!<]", pattern.regex), f"{pattern.id}: no look-around"
    for candidate in _candidates(detector):
        _check_hits(detector, candidate)


def _candidates(detector: Detector) -> Iterable[Candidate]:
    """Yield every match of each pattern in odd texts, as an engine does."""
    for pattern in detector.patterns:
        regex: Any = re2.compile((("(?i)" if pattern.is_caseless else "") + pattern.regex).encode())
        for text in _ODD_TEXTS:
            data = text.encode("utf-8", "surrogatepass")
            for match in regex.finditer(data):
                start = len(data[: match.start()].decode("utf-8", "replace"))
                end = start + len(match.group().decode("utf-8", "replace"))
                yield Candidate(text, start, min(end, len(text)), pattern.id)


def _check_hits(detector: Detector, candidate: Candidate) -> None:
    declared = {kind.name for kind in detector.manifest.kinds}
    for hit in detector.judge(candidate):
        assert 0 <= hit.start <= hit.end <= len(candidate.text), "a hit lies outside of the text"
        assert 0.0 <= hit.confidence <= 1.0, "a confidence is not between 0 and 1"
        assert _NAME.fullmatch(hit.kind), f"{hit.kind!r} is no kind"
        assert {hit.kind, ANY} & declared, f"the manifest declares no kind {hit.kind}"

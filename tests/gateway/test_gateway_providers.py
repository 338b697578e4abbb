"""Declared deployments of providers with options and of local servers, and the tokens of service accounts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast
from unittest.mock import patch
from urllib.parse import parse_qs

import google.auth.jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.oauth2 import service_account

from headgate.gateway.board import _configuration  # pyright: ignore[reportPrivateUsage] - the digest is its own contract
from headgate.gateway.local_servers import local_servers
from headgate.gateway.specs import ClearanceSpec, DeploymentSpec, deployment_from, is_local_server, profile_from
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import Custody
from headgate.testing.clock import FakeClock
from headgate.testing.gate import DIALECTS, PROVIDERS, gate
from headgate.testing.simulator import Simulator
from headgate.testing.simulator.clouds import Issuer
from headgate.wire.dialect import Match
from headgate.wire.model_call import Deployment, ModelDispatch
from headgate.wire.provider import Endpoint, Provider, TokenSource, bearer

OURS = ClearanceSpec(custody="organisation")
NOW = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)


def declared(provider: str, *, model: str = "m", **more: Any) -> Deployment:
    return deployment_from(DeploymentSpec("d", provider, model, **more), PROVIDERS, tenant="acme")


def address(provider: str, **options: str) -> str | None:
    return PROVIDERS[provider].address(None, options)


def test_a_default_address_follows_from_the_options() -> None:
    assert address("bedrock", region="eu-central-1") == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    assert address("bedrock", region="cn-north-1") == "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"
    assert address("vertex", location="global") == "https://aiplatform.googleapis.com/v1"
    assert address("vertex", location="eu") == "https://aiplatform.eu.rep.googleapis.com/v1"
    assert address("vertex", location="europe-west1") == "https://europe-west1-aiplatform.googleapis.com/v1"
    assert address("azure", resource="contoso") == "https://contoso.openai.azure.com"
    assert PROVIDERS["azure"].address("https://{resource}.example.org/", {"resource": "a"}) == "https://a.example.org"
    assert PROVIDERS["local"].address(None, {}) is None


@pytest.mark.parametrize(
    ("provider", "options", "words", "param"),
    [
        ("bedrock", {}, 'needs the option region.*region = "eu-central-1"', "options.region"),
        ("bedrock", {"regoin": "eu-central-1"}, "did you mean 'region'", "options.regoin"),
        ("bedrock", {"region": "evil.example.org/"}, "cannot be the option region", "options.region"),
        ("azure", {}, "needs the option resource.*or base_url", "options.resource"),
        (
            "azure_classic",
            {"resource": "a", "api_version": "latest"},
            "an example is '2024-10-21'",
            "options.api_version",
        ),
        ("openai", {"region": "eu"}, "have no option 'region'; known: batch", "options.region"),
        ("vertex", {"location": "eu"}, "needs the option project", "options.project"),
    ],
)
def test_options_are_checked_with_hints(provider: str, options: dict[str, str], words: str, param: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        declared(provider, options=options)
    assert caught.value.param == param


def test_options_are_part_of_the_target_that_an_approval_covers_and_of_the_health() -> None:
    one, other = (declared("bedrock", options={"region": region}) for region in ("eu-central-1", "us-east-1"))
    call = DIALECTS.clients["openai_chat"].read_call(
        b'{"model":"m","messages":[{"role":"user","content":"x"}]}', headers={}, match=Match("chat")
    )
    assert ModelDispatch(call, one).address["options.region"] == "eu-central-1"
    assert ModelDispatch(call, one).address != ModelDispatch(call, other).address
    assert _configuration(one) != _configuration(other)
    assert not any(name.startswith("options") for name in ModelDispatch(call, declared("openai")).address)


def test_a_local_server_is_ours_at_its_usual_address_only() -> None:
    spec = DeploymentSpec("d", "ollama", "llama3")
    assert declared("ollama").clearance.custody is Custody.ORGANISATION
    assert is_local_server(spec, PROVIDERS["ollama"])
    assert declared("ollama", base_url="http://gpu.example.org:11434/v1").clearance.custody is Custody.ANY
    elsewhere = declared("ollama", base_url="http://gpu.example.org:11434/v1", clearance=OURS)
    assert elsewhere.clearance.custody is Custody.ORGANISATION
    assert declared("vllm", clearance=OURS).clearance.custody is Custody.ORGANISATION
    assert not is_local_server(spec, PROVIDERS["openai"])
    profile = profile_from(None, deployment=spec, login=None, own_address="http://127.0.0.1:11434/v1")
    assert profile.allow == ("127.0.0.1:11434",)


@pytest.mark.parametrize("model", ["gpt-oss:120b-cloud", "qwen3-coder:480B-Cloud", "kimi:cloud", "*"])
async def test_a_model_that_ollama_passes_on_is_not_ours(model: str) -> None:
    assert declared("ollama", model=model).clearance.custody is Custody.ANY
    if model != "*":
        with pytest.raises(Invalid, match=r"passes calls of .* on to its vendor"):
            declared("ollama", model=model, clearance=OURS)
        return
    async with Simulator() as simulator, gate() as gateway:
        ours = declared("ollama", model="*", clearance=OURS, base_url=simulator.openai_url)
        gateway.add("d", simulator, provider="ollama", clearance=ours.clearance, model="*-cloud")
        with pytest.raises(Invalid, match="for our own machines only"):
            await gateway.ask()
        assert not simulator.requests


async def test_the_model_servers_on_this_machine_are_found() -> None:
    async with Simulator() as simulator:
        found = await local_servers(
            {
                "here": _local("here", simulator.openai_url),
                "away": _local("away", "http://127.0.0.1:9/v1"),
                "web": _local("web", f"{simulator.base_url}/other"),
                "openai": PROVIDERS["openai"],
                "local": PROVIDERS["local"],
            },
            secrets=str,
            clock=FakeClock(),
        )
    assert [(one.provider, one.base_url) for one in found] == [("here", simulator_url(found))]
    assert "gpt-sim" in found[0].models


def simulator_url(found: Any) -> str:
    return str(found[0].base_url)


def _local(name: str, base_url: str) -> Provider:
    return Provider(
        manifest=Manifest("providers", name, "A server of a test."),
        endpoints={"chat": Endpoint("openai_chat", "/chat/completions")},
        credential=bearer,
        base_url=base_url,
        models_path="/models",
        custody=Custody.ORGANISATION,
    )


# ---- service accounts


def tokens() -> TokenSource:
    return cast("TokenSource", PROVIDERS["vertex"].tokens)


def test_a_service_accounts_assertion_is_googles() -> None:
    text = Issuer().service_account("https://oauth2.example.org")
    asked = tokens().ask(text, options={}, now=NOW)
    assert asked is not None
    assert asked.url == "https://oauth2.example.org/token"
    form = parse_qs(asked.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    theirs: Any = service_account.Credentials.from_service_account_info(  # pyright: ignore[reportUnknownMemberType] - it has no types
        json.loads(text), scopes=["https://www.googleapis.com/auth/cloud-platform"]
    )
    with patch("google.auth._helpers.utcnow", return_value=NOW.replace(tzinfo=None)):
        expected: bytes = theirs._make_authorization_grant_assertion()
    ours = form["assertion"][0]
    jwt: Any = google.auth.jwt
    assert jwt.decode(ours, verify=False) == jwt.decode(expected, verify=False)
    assert jwt.decode_header(ours) == jwt.decode_header(expected)


def other_key() -> str:
    """A service account's JSON with a key of another kind than RSA."""
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return json.dumps({"client_email": "a", "private_key": key.decode()})


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("{", "not the JSON key of a service account"),
        ('{"client_email": "a", "private_key": "x"}', "private key of the service account cannot be read"),
        (other_key(), "no RSA key"),
    ],
)
def test_a_malformed_service_account_is_refused_without_repeating_it(secret: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        tokens().ask(secret, options={}, now=NOW)
    assert "PRIVATE KEY" not in caught.value.message


@pytest.mark.parametrize("provider", ["azure", "vertex"])
def test_an_answer_without_a_token_is_refused(provider: str) -> None:
    source = cast("TokenSource", PROVIDERS[provider].tokens)
    assert source.read(b'{"access_token": "t", "expires_in": "60"}') == ("t", 60.0)
    for body in (b"{}", b"", b"\xff", b'{"access_token": 7}'):
        with pytest.raises(Upstream, match="has no token"):
            source.read(body)

"""Entries that say what nothing does, or point where nothing is sent: refused wherever they are declared."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.testing.house import House

METADATA = [
    *("169.254.169.254", "[fd00:ec2::254]", "[fd20:ce::254]", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    *("[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]"),
    *("2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "0xa9.0xfe.0xa9.0xfe"),
    *("metadata.google.internal", "METADATA.google.internal", "metadata", "instance-data", "metadata.goog"),
    *("169.254.1.1", "169.254.170.2", "[fe80::1]", "[::ffff:169.254.1.1]", "0.0.0.0", "[::]", "224.0.0.1"),
]
DEPLOYMENT = {"provider": "openai", "model": "m"}


async def refusals(house: House, section: str, entry: dict[str, Any], toml: str) -> list[tuple[int, str, str]]:
    """Declare an entry by each way there is, and return status, field and message of each answer."""
    async with house.admin as client:
        answers = [
            await client.put(f"/api/entries/{section}/x", json={"entry": entry}),
            await client.post("/api/config/plan", json={"toml": toml}),
            await client.post("/api/config/apply", json={"toml": toml}),
        ]
        assert (await client.get(f"/api/entries/{section}/x")).status_code == 404
    errors = [answer.json().get("error", {}) for answer in answers]
    pairs = zip(answers, errors, strict=True)
    return [(answer.status_code, str(error.get("param")), str(error.get("message"))) for answer, error in pairs]


@pytest.mark.parametrize("custody", ["any", "organisation"])
async def test_no_deployment_is_at_a_metadata_service_or_a_link_local_address(house: House, custody: str):
    for host in METADATA:
        for url in (f"http://{host}/v1", f"https://{host}:8443/v1"):
            entry = {**DEPLOYMENT, "base_url": url, "clearance": {"custody": custody}}
            toml = f"""[[deployment]]
id = "x"
provider = "openai"
model = "m"
base_url = "{url}"
clearance = {{ custody = "{custody}" }}
"""
            for status, param, message in await refusals(house, "deployment", entry, toml):
                assert (status, param) == (400, "deployment[0].base_url"), url
                assert "Headgate never sends there" in message or "not a dotted IPv4" in message, url


@pytest.mark.parametrize(
    ("provider", "address"),
    [
        ("openai", None),
        ("anthropic", None),
        ("openai", "https://api.openai.com:443/v1/"),
        ("openai", "http://API.openai.com"),
    ],
)
async def test_no_providers_cloud_is_declared_as_our_own_machine(
    house: House, provider: str, address: str | None
) -> None:
    entry = {"provider": provider, "model": "m", "clearance": {"level": "restricted", "custody": "organisation"}}
    base_url = f'base_url = "{address}"' if address else ""
    toml = f"""[[deployment]]
id = "x"
provider = "{provider}"
model = "m"
clearance = {{ level = "restricted", custody = "organisation" }}
{base_url}
"""
    entry |= {"base_url": address} if address else {}
    for status, param, message in await refusals(house, "deployment", entry, toml):
        assert (status, param) == (400, "deployment[0].base_url"), message
        assert "set base_url to the address of your server" in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("proxy_url", "http://169.254.169.254:80"),
        ("proxy_url", "http://metadata.google.internal:3128"),
        ("allow", ["10.0.0.0/8", "169.254.169.254:80"]),
        ("allow", ["[fd00:ec2::254]:80"]),
        ("allow", ["169.254.169.254/32"]),
        ("allow", ["metadata.google.internal:80"]),
    ],
)
async def test_no_network_leads_to_a_metadata_service(house: House, field: str, value: Any):
    written = f'"{value}"' if isinstance(value, str) else str(value).replace("'", '"')
    toml = f'[[network]]\nid = "x"\n{field} = {written}\n'
    for status, param, message in await refusals(house, "network", {field: value}, toml):
        assert (status, param) == (400, f"network[0].{field}")
        assert "Headgate never sends there" in message


async def test_a_quirk_that_no_wire_knows_is_refused_with_the_nearest_that_one_does(house: House):
    entry = {**DEPLOYMENT, "quirks": ["top_k", "max_completion_token"]}
    toml = '[[deployment]]\nid = "x"\nprovider = "openai"\nmodel = "m"\nquirks = ["max_completion_token"]\n'
    for status, param, message in await refusals(house, "deployment", entry, toml):
        assert (status, param) == (400, "deployment[0].quirks")
        assert "'max_completion_tokens'" in message

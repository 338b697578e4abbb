"""A whole Headgate for product tests, with a simulated cloud provider and a local one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from headgate.admin.client import ApiError
from headgate.testing.running import RunningHeadgate, running_headgate
from headgate.testing.threaded import ThreadedSimulator

T = TypeVar("T")

PROVIDER_KEY = "provider-key-of-the-lab"

LAB = """
[[network]]
id = "lab"
allow = ["127.0.0.1/32"]

[[deployment]]
id = "cloud-openai"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{cloud}/v1"
network = "lab"
key = "env:LAB_PROVIDER_KEY"
price = {{ input = 1.0, output = 2.0 }}

[[deployment]]
id = "nightly-openai"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{cloud}/v1"
network = "lab"
key = "env:LAB_PROVIDER_KEY"
price = {{ input = 1.0, output = 2.0 }}
options = {{ batch = "provider" }}

[[deployment]]
id = "nightly-anthropic"
provider = "anthropic"
model = "claude-sim"
base_url = "http://127.0.0.1:{cloud}"
network = "lab"
key = "env:LAB_PROVIDER_KEY"
price = {{ input = 1.0, output = 2.0 }}
options = {{ batch = "provider" }}

[[deployment]]
id = "cloud-anthropic"
provider = "anthropic"
model = "claude-sim"
base_url = "http://127.0.0.1:{cloud}"
network = "lab"
key = "env:LAB_PROVIDER_KEY"

[[deployment]]
id = "cloud-gemini"
provider = "gemini"
model = "gemini-sim"
base_url = "http://127.0.0.1:{cloud}"
network = "lab"
key = "env:LAB_PROVIDER_KEY"

[[deployment]]
id = "unreliable-openai"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{cloud}/v1"
network = "lab"
key = "env:LAB_PROVIDER_KEY"

[[deployment]]
id = "unreliable-anthropic"
provider = "anthropic"
model = "claude-sim"
base_url = "http://127.0.0.1:{cloud}"
network = "lab"
key = "env:LAB_PROVIDER_KEY"

[[deployment]]
id = "unreliable-gemini"
provider = "gemini"
model = "gemini-sim"
base_url = "http://127.0.0.1:{cloud}"
network = "lab"
key = "env:LAB_PROVIDER_KEY"

[[deployment]]
id = "seeing-gemini"
provider = "gemini"
model = "gemini-sim"
base_url = "http://127.0.0.1:{cloud}"
network = "lab"
key = "env:LAB_PROVIDER_KEY"
clearance = {{ categories = ["unscanned"] }}

[[deployment]]
id = "seeing-openai"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{cloud}/v1"
network = "lab"
key = "env:LAB_PROVIDER_KEY"
clearance = {{ categories = ["unscanned"] }}

[[deployment]]
id = "seeing-anthropic"
provider = "anthropic"
model = "claude-sim"
base_url = "http://127.0.0.1:{cloud}"
network = "lab"
key = "env:LAB_PROVIDER_KEY"
clearance = {{ categories = ["unscanned"] }}

[[deployment]]
id = "onprem"
provider = "openai"
model = "org/model-with-slash"
base_url = "http://127.0.0.1:{onprem}/v1"
clearance = {{ level = "restricted", categories = ["pii", "phi", "pci"], custody = "organisation" }}

[[deployment]]
id = "kinds-openai"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{cloud}/v1"
network = "lab"
key = "env:LAB_PROVIDER_KEY"
operations = ["chat", "moderate", "rerank", "image", "speech"]
quirks = ["completions_upstream"]
price = {{ input = 1.0, output = 2.0, search = 0.002, image = 0.04, characters = 15.0 }}

[[deployment]]
id = "kinds-cohere"
provider = "cohere"
model = "rerank-sim"
base_url = "http://127.0.0.1:{cloud}/compatibility/v1"
network = "lab"
key = "env:LAB_PROVIDER_KEY"
price = {{ search = 0.002 }}

[[alias]]
id = "kinds"
deployments = ["kinds-openai"]

[[alias]]
id = "ranking"
operation = "rerank"
deployments = ["cloud-gemini", "kinds-cohere"]

[[alias]]
id = "omni-moderation-latest"
operation = "moderate"
deployments = ["kinds-openai"]

[[alias]]
id = "cloud"
deployments = ["cloud-openai"]

[[alias]]
id = "nightly"
deployments = ["nightly-openai"]

[[alias]]
id = "nightly-claude"
deployments = ["nightly-anthropic"]

[[alias]]
id = "claude"
deployments = ["cloud-anthropic"]

[[alias]]
id = "gem"
deployments = ["cloud-gemini"]

[[alias]]
id = "seeing-gem"
deployments = ["seeing-gemini"]

[[alias]]
id = "unreliable-gem"
deployments = ["unreliable-gemini"]

[[alias]]
id = "seeing"
deployments = ["seeing-openai"]

[[alias]]
id = "seeing-claude"
deployments = ["seeing-anthropic"]

[[alias]]
id = "onprem"
deployments = ["onprem"]

[[alias]]
id = "hybrid"
deployments = ["cloud-openai", "onprem"]
description = "The cloud where it may, our own machines where it must"

[[alias]]
id = "unreliable"
deployments = ["unreliable-openai"]

[[alias]]
id = "unreliable-claude"
deployments = ["unreliable-anthropic"]

[[alias]]
id = "with-fallback"
deployments = ["unreliable-openai", "onprem"]

[[alias]]
id = "cloud-embed"
operation = "embed"
deployments = ["cloud-openai"]

[[alias]]
id = "gem-embed"
operation = "embed"
deployments = ["cloud-gemini"]

[[alias]]
id = "own-embed"
operation = "embed"
deployments = ["onprem"]

[[use_case]]
id = "support"
owner = "anna@lab.test"
purpose = "Answer customers"

[[use_case]]
id = "claims"
owner = "anna@lab.test"
purpose = "Handle claims"
confidentiality = "restricted"

[[use_case]]
id = "watched"
owner = "anna@lab.test"
purpose = "See what the rules would do"
observe = ["mask-personal-data", "mask-payment-data", "mask-secrets"]

[[use_case]]
id = "careful"
owner = "anna@lab.test"
purpose = "Send nothing to the cloud that nobody looked at"

[[policy]]
id = "careful"
text = '''
@id("careful-with-approval")
@reason("somebody looks at what leaves our machines before it does")
@does("ask")
forbid (principal, action == Headgate::Action::"model.dispatch", resource)
when {{ context.use_case.id == "careful" && resource.custody != "organisation" }};
'''

[[policy]]
id = "passing"
text = '''
@id("clerks-pass-requests-through")
@reason("the clerk looks after the provider's vector stores")
permit (principal, action == Headgate::Action::"model.pass_through", resource)
when {{ principal.id == "clerk" && (resource.method != "DELETE" || resource.path like "vector_stores/*") }};
'''

[[person]]
id = "clerk"
name = "A clerk who may see everything"

[[person]]
id = "intern"
name = "An intern who may see no personal data"
confidentiality = "internal"
categories = ["pii_pseudonymous", "pci_pseudonymous", "secret_masked"]

[[person]]
id = "olga"
name = "Olga, who administers too"
roles = ["admin"]

[[person]]
id = "grace"
name = "Grace, who approves"
roles = ["approver"]
"""


@dataclass(slots=True)
class Lab:
    """A running Headgate with two providers. All cloud deployments are at the same provider.

    Tests share the lab, and Headgate tries a failed deployment last for a while. So tests of
    failures call only the deployments `unreliable…`.

    Args:
        clerk: a key of the clerk, who may see everything, under the use case `support`.
        intern: a key of the intern, who may see no personal data, under `support`.
        claims: a key of the clerk under `claims`, which restricts all content.
        watched: a key of the clerk under `watched`, where the masking rules only observe.
        careful: a key of the clerk under `careful`, where another person approves each cloud call.
            Olga made this key in a browser session, so that the administrator, who made the other
            keys, may approve.
        approver: a key of grace, who may only approve.
    """

    gate: RunningHeadgate
    cloud: ThreadedSimulator
    onprem: ThreadedSimulator
    clerk: str = ""
    intern: str = ""
    claims: str = ""
    watched: str = ""
    careful: str = ""
    approver: str = ""

    @property
    def toml(self) -> str:
        """The text of the configuration file."""
        return LAB.format(cloud=self.cloud.port, onprem=self.onprem.port)

    @property
    def openai_url(self) -> str:
        """The `base_url` for OpenAI's client."""
        return f"{self.gate.base_url}/v1"

    def http(self, key: str | None = None) -> httpx2.Client:
        """Return an HTTP client with the clerk's key, or another key; `""` means no key."""
        key = self.clerk if key is None else key
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx2.Client(base_url=self.gate.base_url, headers=headers, timeout=60)

    @contextmanager
    def console(self, principal: str = "admin") -> Generator[httpx2.Client]:
        """Yield a client with the session of a signed-in browser on the console."""
        command = [sys.executable, "-m", "headgate.cli.main", "--data", str(self.gate.data), "sign-in"]
        command += ["--principal", principal]
        port = str(httpx2.URL(self.gate.base_url).port)
        done = subprocess.run(  # noqa: S603 - our own command
            command, env={**os.environ, "HEADGATE_PORT": port}, capture_output=True, text=True, check=True, timeout=60
        )
        headers = {"origin": self.gate.base_url, "x-headgate-csrf": "1"}
        with httpx2.Client(base_url=self.gate.base_url, headers=headers, timeout=60) as client:
            answer = client.post("/api/session", json={"token": done.stdout.strip().rpartition("token=")[2]})
            answer.raise_for_status()
            yield client

    def record(self, record_id: str, *, logged: bool = False) -> Any:
        """Wait for a closed record, or a logged one, and return it with its children.

        Raises:
            TimeoutError: the record did not appear in time.
        """
        field = "leaf_index" if logged else "outcome"

        def look() -> Any:
            try:
                found = self.gate.api.call("GET", f"/api/records/{record_id}")
            except ApiError as error:
                if error.api_status != 404:
                    raise
                return None
            return found if all(one[field] is not None for one in (found["record"], *found["children"])) else None

        return until(look, what=f"record {record_id}")

    def reset(self) -> None:
        """Clear the providers' recorded requests."""
        self.cloud.reset()
        self.onprem.reset()


def until(look: Callable[[], T | None], *, what: str, within_s: float = 30.0) -> T:
    """Poll until `look` returns a result, to wait for another process.

    Raises:
        TimeoutError: `look` returned no result in time.
    """
    ends_at = time.monotonic() + within_s
    while time.monotonic() < ends_at:
        if (found := look()) is not None:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"{what} is not there after {within_s:g} s")


@contextmanager
def open_lab(folder: Path, *arguments: str) -> Generator[Lab]:
    """Start the providers and a configured Headgate.

    Args:
        arguments: additional arguments of `headgate up`, such as `--no-model`.
    """
    with (
        ThreadedSimulator(key=PROVIDER_KEY) as cloud,
        ThreadedSimulator() as onprem,
        running_headgate(folder, *arguments, environment={"LAB_PROVIDER_KEY": PROVIDER_KEY}) as gate,
    ):
        lab = Lab(gate, cloud, onprem)
        gate.apply(lab.toml)
        lab.clerk = gate.new_key("clerk's", principal="clerk", use_case="support")
        lab.intern = gate.new_key("intern's", principal="intern", use_case="support")
        lab.claims = gate.new_key("clerk's for claims", principal="clerk", use_case="claims")
        lab.watched = gate.new_key("clerk's for watching", principal="clerk", use_case="watched")
        terms = {"name": "clerk's for care", "principal": "clerk", "use_case": "careful"}
        with lab.console("olga") as olga:
            lab.careful = str(olga.post("/api/keys", json=terms).raise_for_status().json()["secret"])
        lab.approver = gate.new_key("grace's", principal="grace", roles=["approver"])
        yield lab

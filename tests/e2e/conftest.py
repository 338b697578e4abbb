"""A whole Headgate, with simulated providers behind it, driven through its front door."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest

from headgate.testing.lab import Lab, open_lab


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One for most tests, with the embedded models."""
    with open_lab(tmp_path_factory.mktemp("lab") / "data") as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """The shared one; its providers have seen nothing yet."""
    shared_lab.reset()
    yield shared_lab
    shared_lab.reset()


@pytest.fixture
def openai_client(lab: Lab) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK as its users make it, with the clerk's key."""
    with openai.OpenAI(base_url=lab.openai_url, api_key=lab.clerk, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
def anthropic_client(lab: Lab) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK as its users make it, with the clerk's key."""
    with anthropic.Anthropic(base_url=lab.gate.base_url, api_key=lab.clerk, max_retries=0, timeout=60) as client:
        yield client

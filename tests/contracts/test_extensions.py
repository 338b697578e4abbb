"""Every installed extension keeps the contract of its kind, built-in or not."""

from __future__ import annotations

from typing import cast

import pytest

from headgate.kernel.connector import Connector
from headgate.kernel.detection import Detector
from headgate.kernel.extensions import load
from headgate.testing.extensions import check_connector, check_detector, check_dialect, check_provider
from headgate.wire.dialect import Dialect
from headgate.wire.provider import Provider


@pytest.mark.parametrize("name", load("providers"))
def test_an_installed_provider_keeps_the_contract(name: str) -> None:
    check_provider(cast("Provider", load("providers")[name]))


@pytest.mark.parametrize("name", load("dialects"))
def test_an_installed_dialect_keeps_the_contract(name: str) -> None:
    check_dialect(cast("Dialect", load("dialects")[name]))


@pytest.mark.parametrize("name", load("detectors"))
def test_an_installed_detector_keeps_the_contract(name: str) -> None:
    check_detector(cast("Detector", load("detectors")[name]))


@pytest.mark.parametrize("name", load("connectors"))
def test_an_installed_connector_keeps_the_contract(name: str) -> None:
    check_connector(cast("Connector", load("connectors")[name]))


def test_the_built_in_extensions_come_in_by_the_public_door() -> None:
    assert set(load("providers")) >= {"anthropic", "local", "openai"}
    assert set(load("dialects")) >= {"anthropic_messages", "openai_chat", "openai_embeddings", "openai_responses"}
    assert set(load("connectors")) >= {"folder", "git"}
    assert set(load("detectors")) >= {"email", "iban", "ip_address", "payment_card", "phone", "secrets", "us_ssn"}

"""Detectors come in by the door of extensions, on both engines."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import cast

import pytest

from headgate.guard import Engine
from headgate.guard.prefilter import Matcher
from headgate.kernel.detection import Detector
from headgate.kernel.extensions import load

NAMES = ("credentials", "email", "iban", "ip_address", "payment_card", "phone", "secrets", "us_ssn")


@pytest.fixture(scope="session")
def detectors() -> Mapping[str, Detector]:
    points = [EntryPoint(name, f"headgate.guard.detectors.{name}:detector", "headgate.detectors") for name in NAMES]
    return cast("Mapping[str, Detector]", load("detectors", points))


@pytest.fixture(scope="session", params=["hyperscan", "re2"])
def engine(
    request: pytest.FixtureRequest, detectors: Mapping[str, Detector], tmp_path_factory: pytest.TempPathFactory
) -> Engine:
    matcher: Matcher = request.param
    if matcher == "hyperscan":
        pytest.importorskip("hyperscan", reason="hyperscan has no wheel for this machine")
    cache: Path = tmp_path_factory.getbasetemp() / "patterns"
    return Engine(detectors, cache=cache, matcher=matcher)


@pytest.fixture(scope="session")
def fast_engine(detectors: Mapping[str, Detector]) -> Engine:
    return Engine(detectors)


@pytest.fixture(scope="session")
def slow_engine(detectors: Mapping[str, Detector]) -> Engine:
    return Engine(detectors, matcher="re2")

"""The registry of extensions loads what is installed and refuses what is none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace

import pytest

from headgate.kernel.errors import Conflict, Invalid, NotFound
from headgate.kernel.extensions import ExtensionKind, Manifest, load, pick

MODULE = "a_strangers_package"


@pytest.fixture
def package() -> Iterator[ModuleType]:
    module = sys.modules[MODULE] = ModuleType(MODULE)
    yield module
    del sys.modules[MODULE]


def exported(package: ModuleType, attribute: str, manifest: object) -> EntryPoint:
    setattr(package, attribute, SimpleNamespace(manifest=manifest))
    return EntryPoint(attribute, f"{MODULE}:{attribute}", "headgate.providers")


def named(name: str, kind: ExtensionKind = "providers") -> Manifest:
    return Manifest(kind=kind, name=name, summary="A provider.")


def test_extensions_are_loaded_by_name_and_sorted(package: ModuleType) -> None:
    found = [exported(package, "one", named("zeta")), exported(package, "two", named("acme"))]
    loaded = load("providers", found)
    assert list(loaded) == ["acme", "zeta"]
    assert pick(loaded, "acme") is package.two


def test_an_object_without_a_manifest_of_that_kind_is_no_extension(package: ModuleType) -> None:
    for manifest in (None, {"name": "acme"}, named("acme", "detectors")):
        with pytest.raises(Invalid, match="is not an extension of kind providers"):
            load("providers", [exported(package, "one", manifest)])


def test_two_extensions_of_one_name_are_a_conflict(package: ModuleType) -> None:
    with pytest.raises(Conflict, match="two providers are named acme"):
        load("providers", [exported(package, "one", named("acme")), exported(package, "two", named("acme"))])


def test_asking_for_an_absent_extension_lists_those_there_are(package: ModuleType) -> None:
    loaded = load("providers", [exported(package, "one", named("acme"))])
    with pytest.raises(NotFound, match="'acmee'; installed: acme"):
        pick(loaded, "acmee")


def test_what_is_installed_is_found_by_its_entry_points() -> None:
    for kind in ("providers", "dialects", "detectors", "connectors"):
        assert all(extension.manifest.kind == kind for extension in load(kind).values())

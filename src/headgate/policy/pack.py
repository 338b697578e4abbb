"""Policy packs: folders of Cedar that ship with Headgate, read and checked as a whole."""

from __future__ import annotations

import importlib.resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

import cedarpy
import msgspec

from headgate.kernel.errors import Invalid
from headgate.policy.rules import Rule, checked_rules


class _Manifest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: str
    version: str
    summary: str
    schema: str
    access: list[str]
    duties: list[str]


class Pack(NamedTuple):
    """A checked pack: the schema that all rules are written against, and its rules."""

    name: str
    version: str
    summary: str
    schema: cedarpy.Schema
    rules: tuple[Rule, ...]


def load_pack(folder: Traversable | None = None) -> Pack:
    """Read a pack; None is the baseline.

    Raises:
        Invalid: a file is missing or of another form, a rule does not fit the schema, or stands in the wrong file.
    """
    folder = folder or importlib.resources.files("headgate.policy") / "packs" / "baseline"
    try:
        manifest = msgspec.toml.decode((folder / "pack.toml").read_bytes(), type=_Manifest)
        schema = cedarpy.Schema.from_str((folder / manifest.schema).read_text("utf-8"))
        texts = {name: (folder / name).read_text("utf-8") for name in (*manifest.access, *manifest.duties)}
    except (OSError, ValueError) as exc:
        raise Invalid(f"the policy pack {folder.name} cannot be read: {exc}", param=folder.name) from exc
    rules: list[Rule] = []
    for name, text in texts.items():
        found = checked_rules(text, schema, source=f"{manifest.name}/{name}")
        for rule in found:
            if (rule.does == "duty") != (name in manifest.duties):
                raise Invalid(f"{manifest.name}/{name}: rule {rule.id} belongs in the other set of files", param=name)
        rules += found
    return Pack(manifest.name, manifest.version, manifest.summary, schema, tuple(rules))

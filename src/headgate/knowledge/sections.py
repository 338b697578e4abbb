"""The sections `[[collection]]` and `[[source]]` of `headgate.toml`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headgate.admin.spec_section import SpecSection
from headgate.knowledge import specs, store
from headgate.knowledge.connecting import refuse_source

COLLECTION = "collection"
SOURCE = "source"


def sections(refuse: Callable[[specs.Source], None] = refuse_source) -> tuple[SpecSection[Any], ...]:
    """Return the sections, in the order of their application.

    Args:
        refuse: raises Invalid if a source is malformed.
    """
    return (
        SpecSection(
            COLLECTION,
            specs.Collection,
            uses={"model": "alias"},
            refuse=specs.refuse_collection,
            stored=store.collections,
            put=store.put_collection,
            delete=store.delete_collection,
        ),
        SpecSection(
            SOURCE,
            specs.Source,
            uses={"collection": COLLECTION},
            refuse=refuse,
            stored=store.sources,
            put=store.put_source,
            delete=store.delete_source,
        ),
    )

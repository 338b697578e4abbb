"""Bodies that several features share. Times are RFC 3339 in UTC, money is micro-units with its currency."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from headgate.kernel.labels import Confidentiality

Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,126}$",
        description="A name of at most 127 letters, digits and . _ : / - that begins with a letter or digit.",
    ),
]
PrincipalName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,126}$",
        description="An id of at most 127 letters, digits and . _ : / @ + - that begins with a letter or digit.",
    ),
]
"""The id of a person or program, such as an e-mail address."""
AliasName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._:/-]*\*?)[A-Za-z0-9._:/-]*$",
        max_length=127,
        description="A name of letters, digits and . _ : / - with at most one *.",
    ),
]
"""A name with at most one wildcard `*`."""
Currency = Annotated[
    str, msgspec.Meta(pattern="^[A-Z]{3}$", description="A currency of three capital letters, such as USD.")
]
Text = Annotated[str, msgspec.Meta(max_length=2000)]
LongText = Annotated[str, msgspec.Meta(max_length=200_000)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Level = Literal["public", "internal", "confidential", "restricted"]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the admin API's bodies. Rejects unknown fields."""


class ErrorDetail(Body, frozen=True, kw_only=True):
    """An error: a stable code, a message, the rules that refused, and the pending approval."""

    code: str
    message: str
    param: str | None = None
    rules: list[str] = []
    record: str | None = None
    retry_after_s: float | None = None
    approval: str | None = None


class ErrorBody(Body, frozen=True, kw_only=True):
    """The body of every error response."""

    error: ErrorDetail


class RuleHitView(Body, frozen=True, kw_only=True):
    """A rule that matched an action."""

    id: str
    does: str
    mode: str
    reason: str


class PartView(Body, frozen=True, kw_only=True):
    """An opened part of a record. `text` is null for binary or erased content, or if `withheld` has a reason."""

    name: str
    text: str | None
    size_bytes: int
    digest: str
    erased: bool
    withheld: str | None


def level_of(confidentiality: Confidentiality) -> Level:
    """Return the API's word for a level."""
    return _LEVELS[confidentiality]


_LEVELS: Mapping[Confidentiality, Level] = {
    Confidentiality.PUBLIC: "public",
    Confidentiality.INTERNAL: "internal",
    Confidentiality.CONFIDENTIAL: "confidential",
    Confidentiality.RESTRICTED: "restricted",
}

"""Authenticates requests by API key, and reads the labels that a caller raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headgate.admin.callers import choose_use_case
from headgate.kernel.errors import Invalid, Unauthenticated
from headgate.kernel.identity import Principal, UseCase
from headgate.kernel.labels import BOTTOM, Labels, parse_labels
from headgate.kernel.ports import Clock
from headgate.policy.keys import authenticate
from headgate.policy.snapshot import SnapshotHolder


class Caller(NamedTuple):
    """The principal of a call, its use case, and the labels that it raised."""

    principal: Principal
    use_case: UseCase
    floor: Labels


KEY_HEADERS = ("x-api-key", "api-key", "x-goog-api-key")
"""The key headers of Anthropic, Azure and Google clients; other clients send `authorization: Bearer`."""


def presented_key(headers: dict[str, str], *, key_headers: Sequence[str] = KEY_HEADERS) -> str | None:
    """Return the API key of a request from `authorization: Bearer` or a key header, or None.

    Several headers may carry the same key; an empty header counts as not sent.

    Raises:
        Invalid: two headers carry different keys, or the scheme is not Bearer.
    """
    key: str | None = None
    authorization = headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Invalid("send the key as `authorization: Bearer KEY` or `x-api-key: KEY`", param="authorization")
        key = token.strip() or None
    for name in key_headers:
        if name in headers and (given := headers[name].strip()):
            if key is not None and given != key:
                raise Invalid(f"{name} and another header carry different keys; send one of them", param=name)
            key = given
    return key


def caller_by_key(
    headers: dict[str, str], *, holder: SnapshotHolder, clock: Clock, key_headers: Sequence[str] = KEY_HEADERS
) -> Caller:
    """Authenticate the caller of a model.

    Args:
        key_headers: headers that may carry the key, besides `authorization`.

    Raises:
        Unauthenticated: there is no key, or it is unknown, revoked or expired.
        Denied: the key is not bound to the requested use case.
    """
    presented = presented_key(headers, key_headers=key_headers)
    if not presented:
        raise Unauthenticated("no API key was sent: send `authorization: Bearer KEY`")
    snapshot = holder.current
    found = authenticate(presented, snapshot, clock.now())
    use_case = found.use_case
    requested = headers.get("x-headgate-use-case")
    if requested is not None and requested != use_case.id:
        use_case = choose_use_case(
            snapshot.tenants[found.key.tenant].use_cases, bound=found.key.use_case, requested=requested
        )
    return Caller(found.principal, use_case, floor_of(headers))


def floor_of(headers: Mapping[str, str]) -> Labels:
    """Return the labels from the header `x-headgate-labels`."""
    text = headers.get("x-headgate-labels")
    return parse_labels(text) if text else BOTTOM

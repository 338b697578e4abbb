"""Credentials of requests to providers: a header, a signature, or a token that a credential buys.

Tokens are cached in memory only, and until shortly before they expire. They are in no log, record or error.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from headgate.kernel.errors import HeadgateError, Unavailable, Upstream, UpstreamTimeout
from headgate.kernel.ports import Clock
from headgate.substrate.egress import Egress, Request
from headgate.wire.model_call import Deployment
from headgate.wire.provider import Headers, Provider, Token, TokenRequest, Unsigned, bearer

Secrets = Callable[[str], str]
"""Resolves a reference such as `env:NAME` or `file:PATH`; raises Unavailable on failure."""

_WITHIN_S: Final = 15.0
_MOST_BYTES: Final = 256 << 10
_MOST_TOKENS: Final = 4096
_EARLY_S: Final = 300.0
"""A token is replaced this long before it expires, but not in the first half of its life."""
_FAILED_S: Final = 5.0
"""Calls that wait for a token share a failure for this long, so that they do not fail one after the other."""


class _Key(NamedTuple):
    """A deployment as it is configured, and a digest of its credential."""

    whose: Hashable
    digest: bytes


@dataclass(slots=True)
class _Entry:
    """The token of one credential; the lock admits one request for a token at a time."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    token: str = field(default="", repr=False)
    until_s: float = 0.0
    error: HeadgateError | None = None
    error_until_s: float = 0.0


class Credentials:
    """Returns the credential headers of requests, and keeps the tokens of one egress client.

    Args:
        egress: asks for tokens, with the network profile of the deployment.
    """

    def __init__(self, *, secrets: Secrets, egress: Egress, clock: Clock) -> None:
        self._secrets = secrets
        self._egress = egress
        self._clock = clock
        self._entries: dict[_Key, _Entry] = {}

    async def headers(
        self, deployment: Deployment, provider: Provider, request: Unsigned, *, within_s: float | None = None
    ) -> Headers:
        """Return the headers that authorise a request.

        Raises:
            Upstream: the credential cannot be read or used. Only this deployment is misconfigured, so another may
                still answer.
        """
        try:
            secret = self._secrets(deployment.key) if deployment.key else None
        except Unavailable as error:
            raise _refused(deployment, "cannot be read", error) from error
        try:
            if provider.tokens is not None and secret is not None:
                token = await self._token(deployment, provider, secret, within_s=within_s)
                if token is not None:
                    return bearer(token)
            if provider.sign is None:
                return provider.credential(secret)
            options = provider.options_of(deployment)
            return provider.sign(secret, request, options=options, now=self._clock.now())
        except HeadgateError as error:
            raise _refused(deployment, "cannot be used", error) from error

    def forget(self, deployment: Deployment) -> None:
        """Forget the tokens of a deployment, because the provider refused one before it expired."""
        whose = _whose(deployment)
        for key in [key for key in self._entries if key.whose == whose]:
            del self._entries[key]

    async def _token(
        self, deployment: Deployment, provider: Provider, secret: str, *, within_s: float | None
    ) -> str | None:
        """Return a valid token; None if the secret itself is the credential."""
        assert provider.tokens is not None
        key = _Key(_whose(deployment), hashlib.sha256(secret.encode()).digest())
        entry = self._entries.get(key)
        if entry is not None and entry.until_s > self._clock.monotonic():
            return entry.token
        asked = provider.tokens.ask(secret, options=provider.options_of(deployment), now=self._clock.now())
        if asked is None:
            return None
        entry = self._entry(key)
        limit_s = _WITHIN_S if within_s is None else min(within_s, _WITHIN_S)
        try:
            async with asyncio.timeout(limit_s), entry.lock:
                if entry.until_s <= self._clock.monotonic():
                    await self._renew(entry, deployment, provider, asked)
        except TimeoutError as error:
            raise UpstreamTimeout("the service that issues its tokens did not answer in time") from error
        return entry.token

    def _entry(self, key: _Key) -> _Entry:
        if key not in self._entries and len(self._entries) >= _MOST_TOKENS:
            self._entries.clear()
        return self._entries.setdefault(key, _Entry())

    async def _renew(self, entry: _Entry, deployment: Deployment, provider: Provider, asked: TokenRequest) -> None:
        """Ask for a token, unless the last request failed just now."""
        now_s = self._clock.monotonic()
        if entry.error is not None and entry.error_until_s > now_s:
            raise entry.error
        try:
            token = await self._bought(deployment, provider, asked)
        except HeadgateError as error:
            entry.error, entry.error_until_s = error, now_s + _FAILED_S
            raise
        entry.error, entry.token = None, token.value
        entry.until_s = now_s + max(token.lasts_s - _EARLY_S, token.lasts_s / 2)

    async def _bought(self, deployment: Deployment, provider: Provider, asked: TokenRequest) -> Token:
        assert provider.tokens is not None
        request = Request(
            "POST",
            asked.url,
            tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in asked.headers),
            asked.body,
            profile=deployment.network,
            within_s=_WITHIN_S,
        )
        async with self._egress.send(request) as response:
            body = await response.read(limit=_MOST_BYTES)
        status = response.status
        if status in (400, 401, 403):
            raise Upstream("the service that issues its tokens refuses the credential", upstream_status=401)
        if status != 200:
            raise Upstream(f"the service that issues its tokens answers with status {status}", upstream_status=status)
        return provider.tokens.read(body)


def _whose(deployment: Deployment) -> Hashable:
    return (
        deployment.tenant,
        deployment.id,
        deployment.provider,
        deployment.base_url,
        deployment.network,
        deployment.options,
    )


def _refused(deployment: Deployment, what: str, error: HeadgateError) -> Upstream:
    return Upstream(
        f"the credential of deployment {deployment.id} {what}; its record tells an administrator why",
        detail=f"deployment {deployment.id}: {error.recorded}",
    )

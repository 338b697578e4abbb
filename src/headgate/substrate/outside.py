"""The outside world for connectors: folders of this machine, web servers and secrets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from headgate.kernel.connector import Folder, Web, WebReply
from headgate.kernel.errors import Denied, NotFound, TooLarge, Unavailable, Upstream
from headgate.kernel.offload import Offloader
from headgate.substrate.egress import Egress, Request, Response
from headgate.substrate.folders import LocalFolders
from headgate.substrate.secrets import SecretStore, check_reference

T = TypeVar("T")

ProfileOf = Callable[[str], Awaitable[str]]

_WITHIN_S = 300.0
_MOST_WAIT_S = 3_600.0


@dataclass(frozen=True, slots=True)
class LocalOutside:
    """Implements `kernel.connector.Outside`.

    Args:
        profile_of: returns the egress client's name of a network of the configuration.
    """

    folders: LocalFolders
    egress: Egress
    secrets: SecretStore
    profile_of: ProfileOf
    offloader: Offloader

    def folder(self, path: str) -> Folder:
        """As `Outside.folder`."""
        return self.folders.folder(path)

    def web(self, network: str) -> Web:
        """As `Outside.web`."""
        return EgressWeb(self.egress, network, self.profile_of)

    def secret(self, reference: str) -> str:
        """As `Outside.secret`."""
        return self.secrets(reference)

    async def offload(self, work: Callable[..., T], /, *args: object) -> T:
        """As `Outside.offload`."""
        return await self.offloader.run(work, *args)

    def refuse_secret(self, reference: str, *, param: str) -> None:
        """As `Outside.refuse_secret`."""
        check_reference(reference, param=param)


@dataclass(slots=True)
class EgressWeb:
    """Web servers, by the client for all outgoing requests. It keeps the route that its first request took."""

    egress: Egress
    network: str
    profile_of: ProfileOf
    _profile: str | None = None

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        most_bytes: int,
    ) -> WebReply:
        """As `Web.send`."""
        if self._profile is None:
            self._profile = await self.profile_of(self.network)
        encoded = tuple((name.encode(), value.encode()) for name, value in headers)
        request = Request(method, url, encoded, body, profile=self._profile, within_s=_WITHIN_S)
        async with self.egress.send(request) as response:
            _refuse(response)
            received = bytearray()
            async for chunk in response.chunks():
                received += chunk
                if len(received) > most_bytes:
                    raise TooLarge(f"the answer is larger than {most_bytes >> 20} MiB")
            names = {name.decode("latin-1").lower() for name, _ in response.headers.pairs}
            found = {name: response.headers.get(name) or "" for name in names}
            return WebReply(response.status, found, bytes(received))


def _refuse(response: Response) -> None:
    status = response.status
    match status:
        case 401 | 403:
            raise Denied(f"the server refuses the request with status {status}; check the credential and its rights")
        case 404 | 410:
            raise NotFound("the server has no such page")
        case 429 | 503:
            after = response.headers.get("retry-after") or ""
            retry_after_s = min(float(after), _MOST_WAIT_S) if after.isascii() and after.isdigit() else None
            raise Unavailable(f"the server asks to wait (status {status})", retry_after_s=retry_after_s)
        case _ if status >= 400:
            raise Upstream(f"the server answered with status {status}", upstream_status=status)
        case _:
            return

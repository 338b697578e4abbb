"""Responses that are files, sent piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from headgate.admin.requests import Request
from headgate.server.api.errors import refuse_undecided
from headgate.server.api.signed_in import while_signed_in
from headgate.server.asgi import SECURITY_HEADERS
from headgate.server.disconnect import until_disconnected


class _Download:
    """A file on its way; see `admin.requests.Download`."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.is_started = False

    async def begin(self, *, media_type: str, file_name: str) -> None:
        """Send status 200 and the headers.

        Raises:
            UndecidedError: policy has not decided the operation's verb.
        """
        refuse_undecided(self._request)
        self.is_started = True
        headers = [
            (b"content-type", media_type.encode()),
            (b"content-disposition", f'attachment; filename="{file_name}"'.encode()),
            (b"cache-control", b"no-store"),
            *SECURITY_HEADERS,
        ]
        await self._request.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(self, data: bytes) -> None:
        """Send the next piece."""
        if data:
            await self._request.send({"type": "http.response.body", "body": data, "more_body": True})


@asynccontextmanager
async def download(request: Request) -> AsyncGenerator[_Download]:
    """Answer a request with a file; the block is cancelled when the client disconnects.

    An error after the beginning leaves the response without its end, so that no client takes it for a whole file.

    Raises:
        ClientGone: the client disconnected.
        Unauthenticated: the caller's session or key ended.
    """
    file = _Download(request)
    async with until_disconnected(request.scope), while_signed_in(request):
        yield file
    if file.is_started:
        await request.send({"type": "http.response.body", "body": b"", "more_body": False})

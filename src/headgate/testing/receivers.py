"""Real local receivers of notices: an HTTP server and an SMTP server, which keep what they get."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncGenerator, Sized
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(slots=True)
class Received:
    """One HTTP request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class WebReceiver:
    """An HTTP server. It answers with the next of `statuses`, and with 200 after the last."""

    port: int = 0
    statuses: list[int] = field(default_factory=list[int])
    requests: list[Received] = field(default_factory=list[Received])
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, count: int) -> None:
        """Wait for this many requests."""
        await _until(self.requests, count, self._arrived)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append(Received(first.split(" ")[1], headers, body))
                status = self.statuses.pop(0) if self.statuses else 200
                writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
                self._arrived.set()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def web_receiver() -> AsyncGenerator[WebReceiver]:
    """Start an HTTP server on a free port of loopback."""
    receiver = WebReceiver()
    server = await asyncio.start_server(receiver._serve, "127.0.0.1", 0)  # pyright: ignore[reportPrivateUsage] - its own module
    async with server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver


@dataclass(slots=True)
class MailReceiver:
    """An SMTP server (RFC 5321) with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954)."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    login: str | None = None
    is_implicit: bool = False
    refuses: str | None = None
    mails: list[EmailMessage] = field(default_factory=list[EmailMessage])
    recipients: list[str] = field(default_factory=list[str])
    was_encrypted: bool = False
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, count: int) -> None:
        """Wait for this many mails."""
        await _until(self.mails, count, self._arrived)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        try:
            say("220 mail.test")
            while line := (await reader.readline()).decode().strip():
                match line.split(" ")[0].upper():
                    case "EHLO":
                        is_open = writer.get_extra_info("ssl_object") is None
                        offers = ["STARTTLS"] if self.tls and is_open else ["AUTH PLAIN"] if self.login else []
                        say("250-mail.test")
                        for offer in offers:
                            say(f"250-{offer}")
                        say("250 SIZE 1000000")
                    case "STARTTLS" if self.tls is not None:
                        say("220 go")
                        await writer.drain()
                        await writer.start_tls(self.tls)
                    case "AUTH":
                        given = base64.b64decode(line.split(" ")[2]).decode().split("\0")
                        say("235 ok" if ":".join(given[1:]) == self.login else "535 no")
                    case "RCPT":
                        refused = self.refuses is not None and self.refuses in line
                        if not refused:
                            self.recipients.append(line.partition("<")[2].rstrip(">"))
                        say("550 nobody here" if refused else "250 ok")
                    case "DATA":
                        say("354 go")
                        await writer.drain()
                        data = await reader.readuntil(b"\r\n.\r\n")
                        mail = message_from_bytes(data[:-5], policy=policy.default)
                        self.mails.append(mail)
                        self.was_encrypted = writer.get_extra_info("ssl_object") is not None
                        say("250 taken")
                        self._arrived.set()
                    case "QUIT":
                        say("221 bye")
                        break
                    case _:
                        say("250 ok")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def mail_receiver(
    *,
    tls: ssl.SSLContext | None = None,
    login: str | None = None,
    is_implicit: bool = False,
    refuses: str | None = None,
) -> AsyncGenerator[MailReceiver]:
    """Start an SMTP server on a free port of loopback.

    Args:
        is_implicit: speaks TLS from the first byte, without STARTTLS.
        refuses: part of a recipient's address that it refuses.
    """
    receiver = MailReceiver(tls=None if is_implicit else tls, login=login, refuses=refuses)
    server = await asyncio.start_server(
        receiver._serve,  # pyright: ignore[reportPrivateUsage] - its own module
        "127.0.0.1",
        0,
        ssl=tls if is_implicit else None,
    )
    async with server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver


async def _until(things: Sized, count: int, arrived: asyncio.Event) -> None:
    async with asyncio.timeout(30):
        while len(things) < count:
            arrived.clear()
            await arrived.wait()

"""Serves the console's files from memory, so that the path of a request never reaches the disk."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from headgate.server.asgi import SECURITY_HEADERS, Scope, Send
from headgate.server.paths import PAGES

CONTENT_SECURITY_POLICY = (
    b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    b"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)

_HASHED = "/assets/"
_MIN_GZIP_BYTES = 1024
_TEXT = ("text/", "application/json", "application/javascript", "image/svg", "application/manifest")
_NOT_BUILT = (
    b"<!doctype html><html lang=en><title>Headgate</title><h1>Headgate is running</h1>"
    b"<p>The console is not built yet. Run <code>make console</code>, then start Headgate again. "
    b"Models and the admin API work without it.</p></html>"
)


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    packed: bytes | None
    kind: str
    etag: str
    is_hashed: bool


class StaticFiles:
    """Answers GET and HEAD with a file, or with `index.html` for a page of the console.

    Args:
        root: folder of the built console; it may be missing.
    """

    def __init__(self, root: Traversable) -> None:
        self._files = dict(_read(root, "")) if root.is_dir() else {}
        self._index = self._files.get("/index.html")

    @property
    def is_built(self) -> bool:
        """Whether the console is built."""
        return self._index is not None

    def has(self, path: str) -> bool:
        """Tell whether the path is a file or the first page."""
        return path == "/" or path in self._files

    async def __call__(self, scope: Scope, send: Send, headers: dict[str, str]) -> None:
        """Answer one request."""
        path: str = scope["path"]
        is_page = path.startswith(PAGES) or ("." not in path.rpartition("/")[2] and not path.startswith(_HASHED))
        file = self._files.get(path) or (self._index if is_page else None)
        is_head = scope["method"] == "HEAD"
        if file is None:
            body = _NOT_BUILT if is_page else b"not found\n"
            kind = b"text/html; charset=utf-8" if is_page else b"text/plain"
            await _answer(send, 200 if is_page else 404, [(b"content-type", kind)], body, is_head=is_head)
            return
        given = [
            (b"content-type", file.kind.encode()),
            (b"etag", file.etag.encode()),
            (b"cache-control", b"public, max-age=31536000, immutable" if file.is_hashed else b"no-cache"),
            (b"vary", b"accept-encoding"),
        ]
        if file.etag in headers.get("if-none-match", ""):
            await _answer(send, 304, given, b"", is_head=True)
            return
        body = file.body
        if file.packed is not None and "gzip" in headers.get("accept-encoding", ""):
            given.append((b"content-encoding", b"gzip"))
            body = file.packed
        await _answer(send, 200, given, body, is_head=is_head)


async def _answer(send: Send, status: int, given: list[tuple[bytes, bytes]], body: bytes, *, is_head: bool) -> None:
    headers = [*given, (b"content-security-policy", CONTENT_SECURITY_POLICY), *SECURITY_HEADERS]
    if status != 304:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else body})


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, _File]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        path = f"{prefix}/{entry.name}"
        if entry.is_dir():
            yield from _read(entry, path)
        elif not entry.name.endswith(".gz"):
            yield path, _file(path, entry.read_bytes(), folder / f"{entry.name}.gz")


def _file(path: str, body: bytes, beside: Traversable) -> _File:
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    is_text = kind.startswith(_TEXT)
    packed = None
    if beside.is_file():
        packed = beside.read_bytes()
    elif is_text and len(body) >= _MIN_GZIP_BYTES:
        packed = gzip.compress(body, 6, mtime=0)
    return _File(
        body,
        packed,
        f"{kind}; charset=utf-8" if is_text else kind,
        f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        is_hashed=path.startswith(_HASHED),
    )

"""The connector interface: a kind of source whose documents collections hold.

A connector is an extension of kind `connectors`: one file that exports one object. It holds no state and opens nothing
by itself: it reaches the outside world by the ports of `Outside`. So it imports the kernel and the wires only, and a
package of a stranger does the same. The contract is in the kernel because both the features and such a package need it.

A pass over a source asks `changes` for page after page. Where the source lists everything, documents that a pass did
not list are deleted. Where it tells changes, it tells deletions too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from headgate.kernel.errors import Conflict
from headgate.kernel.extensions import Manifest

T = TypeVar("T")


class CursorExpired(Conflict):
    """The source does not know the cursor any more. The pass begins anew with a full listing."""

    code = "cursor_expired"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read a document at its source.

    Args:
        readers: ids of people, `group:NAME`, or `*` for every reader of the collection. Empty for nobody, and None
            where the source does not say: then the readers of the source's entry may.
    """

    readers: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A document in a listing, or a change of it.

    Args:
        ref: the document's name at the source. It never names another document.
        revision: of its text, in any form of the source's. A document with the revision of the pass before is not
            fetched. Empty if the source has none: then it is fetched in each pass, and its bytes are compared.
        access: None lets the pass ask `OpenSource.access`, for each document in each pass.
        size_bytes: None if the source does not tell. Documents that are too large are not fetched.
        is_deleted: whether the document is gone.
        fault: why it cannot be read, for people; empty if it can.
    """

    ref: str = field(repr=False)
    revision: str = ""
    access: Access | None = None
    size_bytes: int | None = None
    is_deleted: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some changes of a source.

    Args:
        changes: at most some hundreds. Their order is the source's.
        cursor: of the next page, in any form of the connector's. That of the last page begins the next pass: empty for
            a full listing, or the place after which the source tells changes.
        is_last: whether the pass is complete.
    """

    changes: Sequence[Change]
    cursor: str = field(default="", repr=False)
    is_last: bool = True


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document as its source has it.

    Args:
        name: of the file or its path, with an ending that tells its format.
        url: its address for people, or empty.
        as_of: when it was last changed there; None if nothing tells.
    """

    name: str = field(repr=False)
    data: bytes = field(repr=False)
    url: str = field(default="", repr=False)
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """An entry of a folder.

    Args:
        revision: changes with the file's content, name or permissions; empty for others.
        is_other: whether it is neither a file nor a folder, such as a link, a pipe or a device. It cannot be read.
    """

    name: str
    is_folder: bool
    size_bytes: int
    revision: str
    is_other: bool = False


@dataclass(frozen=True, slots=True)
class FileContent:
    """The bytes of a file, and when they were written."""

    data: bytes = field(repr=False)
    changed_at: datetime


class Folder(Protocol):
    """A folder of Headgate's machine. A path is the names below it, and no link is followed on the way."""

    async def entries(self, path: Sequence[str]) -> Sequence[FolderEntry]:
        """Return the entries of a folder below this one, sorted by name.

        Raises:
            NotFound: there is no such folder.
            Denied: Headgate may not read it.
            Unavailable: the disk does not answer, or the whole folder is not there.
        """
        ...

    async def read(self, path: Sequence[str], *, most_bytes: int) -> FileContent:
        """Return a file.

        Raises:
            NotFound: there is no such file, or it is a link.
            Denied: Headgate may not read it.
            TooLarge: it has more bytes.
            Unavailable: the disk does not answer, or the whole folder is not there.
        """
        ...


@dataclass(frozen=True, slots=True)
class WebReply:
    """The answer of a web server.

    Args:
        headers: by name in lower case; the first one of each name.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Web(Protocol):
    """Web servers, at addresses that the network's profile allows."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        most_bytes: int,
    ) -> WebReply:
        """Send a request and return the whole answer. Redirects are not followed.

        Raises:
            Denied: the address is not allowed, or the server refuses the credential (401, 403).
            NotFound: the server has no such page (404, 410).
            TooLarge: the answer has more bytes.
            Unavailable: the server asks to wait (429, 503), with `retry_after_s` if it says for how long.
            Upstream: no answer, or one with another status from 400 on.
        """
        ...


class Outside(Protocol):
    """The outside world, as far as connectors reach it."""

    def folder(self, path: str) -> Folder:
        """Return a folder of Headgate's machine.

        Raises:
            Invalid: the operator does not allow it (`HEADGATE_FOLDERS`); `param` is `path`.
        """
        ...

    def web(self, network: str) -> Web:
        """Return web servers, by a network profile of the configuration; `default` has the public ones."""
        ...

    def secret(self, reference: str) -> str:
        """Return a secret by its reference, such as `env:WIKI_TOKEN`. Only for use at once.

        Raises:
            Unavailable: it is not there.
        """
        ...

    async def offload(self, work: Callable[..., T], /, *args: object) -> T:
        """Return the result of work on large content, which runs beside the event loop."""
        ...

    def refuse_secret(self, reference: str, *, param: str) -> None:
        """Raise Invalid if a reference to a secret is malformed, such as the secret itself."""
        ...


class OpenSource(Protocol):
    """A source with its options. Its calls do not depend on one another, and run at the same time.

    Every call raises errors of the kernel. One with `retry_after_s` lets the pass wait that long and go on, so a
    connector never waits for a rate limit by itself. `NotFound` of one document says that it is gone; any other error
    of one document is noted with it, and the rest goes on.
    """

    async def changes(self, cursor: str) -> Page:
        """Return a page of changes after a cursor; an empty one begins a full listing.

        Raises:
            CursorExpired: the source needs a full listing.
        """
        ...

    async def fetch(self, ref: str, *, revision: str) -> Fetched:
        """Return a document. `revision` is that of its change, for sources that keep older texts."""
        ...

    async def access(self, ref: str) -> Access:
        """Return who may read a document now."""
        ...


class Connector(Protocol):
    """A kind of source."""

    @property
    def manifest(self) -> Manifest:
        """The extension's manifest; its name is the `kind` of sources."""
        ...

    @property
    def options(self) -> type[Any]:
        """The type of a source's options: a frozen msgspec Struct that forbids unknown fields.

        Secrets among them are references, such as `env:WIKI_TOKEN`.
        """
        ...

    @property
    def at_once(self) -> int:
        """The limit of fetches from one source at the same time."""
        ...

    def open(self, options: Any, outside: Outside) -> OpenSource:
        """Return the source with these options. This reads no secret, and sends and reads nothing yet.

        It runs when the configuration is written, too, so that wrong options are refused there.

        Raises:
            Invalid: an option is wrong; `param` is its name.
        """
        ...

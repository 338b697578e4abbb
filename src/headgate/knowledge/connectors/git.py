"""Files of a branch in a Git repository, over HTTP with protocol 2.

Nothing is cloned: a pass asks for the branch's commit, and only if it moved for the trees of the old and of the new
commit. Each changed file is one blob. A server without filters (`uploadpack.allowFilter`) sends the files with the
trees. Links and submodules are left out. A file is as old as the commit in which a pass saw its change.

Source: git documentation, "gitprotocol-v2" and "gitprotocol-http".
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote, urlsplit

import msgspec

from headgate.kernel.connector import Access, Change, CursorExpired, Fetched, OpenSource, Outside, Page, Web
from headgate.kernel.errors import Invalid, NotFound, TooLarge, Upstream
from headgate.kernel.extensions import Manifest
from headgate.knowledge.connectors._packs import DELIMITER, FLUSH, GitObject, objects_of, pack_of, packet, packets

_PAGE = 500
_MOST_BYTES = 256 << 20
_MOST_PATHS = 200_000
_MOST_PATH_CHARS = 32 << 20
_MOST_DEPTH = 100
_COMMIT = re.compile(rb"tree (?P<tree>[0-9a-f]{40})\n(?:.*\n)*?committer .*> (?P<seconds>\d{1,12}) [+-]\d{4}\n")
_OID = re.compile(r"[0-9a-f]{40}")


class GitOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The options of a repository.

    Args:
        url: its address for cloning, by http or https.
        branch: its name; empty for the repository's own choice.
        under: the folder in the repository whose files are read; empty for all.
        key: a reference to the secret for private repositories, such as `env:GIT_TOKEN`.
        username: the name that goes with the secret.
        network: the profile of the network.
        most_mib: the limit of a file's size in MiB.
    """

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    branch: Annotated[str, msgspec.Meta(max_length=250)] = ""
    under: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    key: str | None = None
    username: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "git"
    network: str = "default"
    most_mib: Annotated[int, msgspec.Meta(ge=1, le=64)] = 64


@dataclass(frozen=True, slots=True)
class _Tree:
    """The files of a commit: the names of their blobs by path."""

    files: Mapping[str, str]
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class GitSource:
    """A repository with its options. It keeps the trees that a pass has read."""

    options: GitOptions
    web: Web
    outside: Outside
    _trees: dict[str, _Tree] = field(default_factory=dict[str, _Tree])

    async def changes(self, cursor: str) -> Page:
        """As `OpenSource.changes`: a listing of one commit, and then the differences of commits."""
        what, commit, count = json.loads(cursor) if cursor else ("list", await self._head(), 0)
        if what == "since":
            return await self._since(str(commit))
        tree = (await self._read([str(commit)]))[str(commit)]
        paths = sorted(tree.files)
        page = [self._change(path, tree.files[path]) for path in paths[count : count + _PAGE]]
        if count + _PAGE < len(paths):
            return Page(page, json.dumps(["list", commit, count + _PAGE]), is_last=False)
        return Page(page, json.dumps(["since", commit, 0]))

    async def fetch(self, ref: str, *, revision: str) -> Fetched:
        """As `OpenSource.fetch`."""
        found = (await self._objects([revision], most_bytes=self.options.most_mib << 20)).get(revision)
        if found is None or found.kind != b"blob":
            raise NotFound("the repository does not have this file any more")
        dates = [tree.committed_at for tree in self._trees.values() if tree.files.get(ref) == revision]
        return Fetched(ref, found.data, url=self._url(ref), as_of=max(dates, default=None))

    async def access(self, ref: str) -> Access:
        """As `OpenSource.access`: Git has no readers of single files."""
        return Access()

    async def _since(self, old: str) -> Page:
        new = await self._head()
        if new == old:
            return Page((), json.dumps(["since", old, 0]))
        try:
            trees = await self._read([old, new])
        except (NotFound, Upstream) as error:
            raise CursorExpired("the repository does not have the commit of the last pass any more") from error
        before, after = trees[old].files, trees[new].files
        changed = [self._change(path, oid) for path, oid in sorted(after.items()) if before.get(path) != oid]
        gone = [Change(path, is_deleted=True) for path in sorted(before.keys() - after.keys())]
        return Page([*changed, *gone], json.dumps(["since", new, 0]))

    def _change(self, path: str, oid: str) -> Change:
        return Change(path, revision=oid, access=Access())

    async def _head(self) -> str:
        """Return the commit of the branch."""
        wanted = f"refs/heads/{self.options.branch}" if self.options.branch else "HEAD"
        body = packet("command=ls-refs") + DELIMITER + packet(f"ref-prefix {wanted}") + FLUSH
        for line in packets(await self._post(body, most_bytes=16 << 20)):
            oid, _, name = line.decode(errors="replace").strip().partition(" ")
            if name == wanted and _OID.fullmatch(oid):
                return oid
        raise Invalid(f"the repository has no branch {self.options.branch or 'of its own choice'}")

    async def _read(self, commits: Sequence[str]) -> dict[str, _Tree]:
        """Return the trees of commits."""
        missing = [one for one in commits if one not in self._trees]
        if missing:
            objects = await self._objects(missing, is_tree=True, most_bytes=_MOST_BYTES)
            for one in missing:
                self._trees[one] = await self.outside.offload(self._tree, objects, one)
        return {one: self._trees[one] for one in commits}

    def _tree(self, objects: Mapping[str, GitObject], commit: str) -> _Tree:
        found = _COMMIT.match(objects[commit].data) if commit in objects else None
        if found is None:
            raise Upstream("the Git server did not send the commit")
        under = f"{self.options.under.strip('/')}/" if self.options.under.strip("/") else ""
        files = dict(_files(objects, found["tree"].decode(), under=under))
        return _Tree(files, datetime.fromtimestamp(int(found["seconds"]), UTC))

    async def _objects(self, wanted: Sequence[str], *, most_bytes: int, is_tree: bool = False) -> dict[str, GitObject]:
        """Return objects of the repository: single files, or the commits with their trees."""
        lines = ["no-progress", "ofs-delta", *(f"want {one}" for one in wanted)]
        if is_tree:
            lines.append("deepen 1")
            if await self._has_filter():
                lines.append("filter blob:none")
        body = packet("command=fetch") + DELIMITER + b"".join(map(packet, [*lines, "done"])) + FLUSH
        answer = await self._post(body, most_bytes=most_bytes)
        return await self.outside.offload(_unpacked, answer, most_bytes)

    async def _has_filter(self) -> bool:
        """Return whether the server can leave files out.

        Raises:
            Invalid: it is no Git server, or one without protocol 2.
        """
        url = f"{self._base}/info/refs?service=git-upload-pack"
        reply = await self.web.send("GET", url, headers=self._headers, most_bytes=16 << 20)
        lines = [line.decode(errors="replace").strip() for line in packets(reply.body)]
        if "version 2" not in lines:
            raise Invalid("there is no Git server with protocol 2 at this address")
        return any(line.startswith("fetch=") and "filter" in line.partition("=")[2].split() for line in lines)

    async def _post(self, body: bytes, *, most_bytes: int) -> bytes:
        headers = [*self._headers, ("content-type", "application/x-git-upload-pack-request")]
        reply = await self.web.send(
            "POST", f"{self._base}/git-upload-pack", headers=headers, body=body, most_bytes=most_bytes
        )
        if reply.headers.get("content-type") != "application/x-git-upload-pack-result":
            raise Invalid("there is no Git server at this address; write the address for cloning")
        return reply.body

    def _url(self, path: str) -> str:
        """Return the page of a file, as the common servers of repositories have it."""
        page = self._base.removesuffix(".git")
        return f"{page}/blob/{quote(self.options.branch or 'HEAD')}/{quote(path)}"

    @property
    def _base(self) -> str:
        return self.options.url.rstrip("/")

    @property
    def _headers(self) -> list[tuple[str, str]]:
        headers = [("git-protocol", "version=2"), ("user-agent", "git/headgate")]
        if self.options.key is not None:
            login = f"{self.options.username}:{self.outside.secret(self.options.key)}".encode()
            headers.append(("authorization", f"Basic {base64.b64encode(login).decode()}"))
        return headers


@dataclass(frozen=True, slots=True)
class GitConnector:
    """The kind `git`."""

    manifest: Manifest
    options: type[GitOptions] = GitOptions
    at_once: int = 4

    def open(self, options: GitOptions, outside: Outside) -> OpenSource:
        """As `Connector.open`."""
        parts = urlsplit(options.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
            raise Invalid("write an http or https address without user and query; key names the secret", param="url")
        if options.key is not None:
            outside.refuse_secret(options.key, param="key")
        return GitSource(options, outside.web(options.network), outside)


def _unpacked(answer: bytes, most_bytes: int) -> dict[str, GitObject]:
    return objects_of(pack_of(answer), most_bytes=most_bytes)


def _files(objects: Mapping[str, GitObject], root: str, *, under: str) -> list[tuple[str, str]]:
    """Return the paths of a tree's files with their blobs.

    Args:
        under: the beginning of the paths that are wanted.

    Raises:
        TooLarge: there are too many paths, of files and folders together, or one is too deep. A few trees that hold one
            another several times make millions of paths.
    """
    found: list[tuple[str, str]] = []
    waiting = [("", root, 0)]
    paths = chars = 0
    while waiting:
        above, oid, depth = waiting.pop()
        tree = objects.get(oid)
        if tree is None or tree.kind != b"tree":
            raise Upstream("the Git server left a tree out")
        for mode, name, below in _entries(tree.data):
            is_folder = mode == b"40000"
            path = f"{above}{name}/" if is_folder else f"{above}{name}"
            if not path.startswith(under) and not (is_folder and under.startswith(path)):
                continue
            paths, chars = paths + 1, chars + len(path)
            if paths > _MOST_PATHS:
                raise TooLarge(f"the repository has over {_MOST_PATHS:,} files and folders; name one of them in under")
            if chars > _MOST_PATH_CHARS:
                raise TooLarge("the paths of the repository are too long; shorten the names of its folders")
            if is_folder and depth == _MOST_DEPTH:
                raise TooLarge(f"the repository has folders over {_MOST_DEPTH} levels deep; move them up")
            if is_folder:
                waiting.append((path, below, depth + 1))
            elif mode.startswith(b"100"):
                found.append((path, below))
    return found


def _entries(tree: bytes) -> Iterator[tuple[bytes, str, str]]:
    """Yield mode, name and object of each entry of a tree."""
    at = 0
    while at < len(tree):
        end = tree.find(b"\0", at)
        oid = tree[end + 1 : end + 21]
        if end < 0 or len(oid) < 20:
            raise Upstream("the Git server sent a malformed tree")
        mode, _, name = tree[at:end].partition(b" ")
        yield mode, name.decode(errors="replace"), oid.hex()
        at = end + 21


connector = GitConnector(Manifest("connectors", "git", "Files of a branch in a Git repository, over HTTP."))

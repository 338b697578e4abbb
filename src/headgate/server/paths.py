"""Routes paths to dialects, the admin API and the console, and explains unknown paths.

The installed dialects declare the paths of model calls. Clients append their own path to the base URL
that people configure, so a wrong base URL gives an unknown path. Such a client gets an error in its
format, never a page of the console.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from headgate.kernel.errors import Conflict, Invalid, NotFound
from headgate.server.asgi import Scope
from headgate.server.identity import KEY_HEADERS
from headgate.wire.dialect import MODEL, ClientDialect, Match, Route
from headgate.wire.openai_plane import OPENAI
from headgate.wire.plane import Plane

FALLBACK = OPENAI
"""The plane of paths that belong to no other; most clients use it."""

MODELS = "/v1/models"
"""The list of models of every plane."""

PAGES = ("/records/", "/approvals/", "/people/")
"""Prefixes of console pages whose ids may hold a dot."""

_OURS = frozenset({"api", "console"})
"""The planes of the server's own parts."""

_OWN_PATHS = ("/api", "/healthz", "/readyz", "/metrics", "/assets", MODELS)

_PROGRAMS = re.compile(r"//|/(?:v\d+[a-z0-9]*|api|openai|anthropic|deployments|engines)(?:/|$)|.*/v\d+[a-z0-9]*/")
"""Paths that only programs request, under this or another provider's base URL."""
_CALLS = re.compile(
    r"/(?:chat/completions|completions|embeddings|responses|messages|models|moderations|rerank|images|audio)(?:/|$)|.*:(?:generate|streamGenerate)Content"
)
"""Model calls whose base URL lacks `/v1`. A browser that requests a page of that name sends no key."""


class Call(NamedTuple):
    """The dialect that serves a path for one method."""

    dialect: ClientDialect
    match: Match


class Found(NamedTuple):
    """A path that dialects serve.

    Args:
        path: the declared path, without text from the client.
        calls: by method.
    """

    path: str
    plane: Plane
    calls: Mapping[str, Call]


class ModelsAt(NamedTuple):
    """The plane of a list of models, and the model in its path, or ""."""

    plane: Plane
    model: str


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A path with a model name, split at the name."""

    before: str
    after: str
    found: Found

    def match(self, path: str) -> Found | None:
        """Return the match with its model, or None."""
        if len(path) <= len(self.before) + len(self.after) or not path.startswith(self.before):
            return None
        if not path.endswith(self.after):
            return None
        model = path[len(self.before) : len(path) - len(self.after)]
        calls = {
            method: Call(dialect, match._replace(model=model)) for method, (dialect, match) in self.found.calls.items()
        }
        return Found(self.found.path, self.found.plane, calls)


class Paths:
    """The paths of model calls, and the plane of each other path.

    Args:
        dialects: the dialects of clients.

    Raises:
        Invalid: a dialect declares a bad path, or a path of another part of the server.
        Conflict: two dialects declare one path, or two planes have one name.
    """

    def __init__(self, dialects: Iterable[ClientDialect]) -> None:
        ordered = sorted(dialects, key=lambda one: (one.plane.name != FALLBACK.name, one.plane.name, one.name))
        found = _declared(ordered)
        self._exact = {path: one for path, one in found.items() if MODEL not in path}
        patterns = [_pattern(path, one) for path, one in found.items() if MODEL in path]
        # The longest first: it is the most specific of two matches.
        self._patterns = sorted(patterns, key=lambda one: -len(one.before) - len(one.after))
        self._planes = _planes(ordered)
        self._lists = {one.models_path: one for one in self._planes.values() if one.models_path is not None}
        self.served = (*found, MODELS, *self._lists)
        """Every declared path."""
        self.planes = tuple(self._planes.values())
        """The planes of model calls, always with the fallback."""
        self.names = frozenset(self._planes)
        """The names of the planes of model calls."""
        parts = [(part, plane) for plane in self._planes.values() for part in plane.path_parts]
        self._parts = sorted(parts, key=lambda one: -len(one[0]))
        self._known_by = {
            name.encode("latin-1"): plane for plane in self._planes.values() for name in sorted(plane.known_by)
        }
        self._prefixes = _prefixes(found.values())
        self._below = tuple(self._prefixes)
        self._doubled = tuple(prefix.removesuffix("/") + prefix for prefix in self._prefixes)
        declared = (name for plane in self._planes.values() for name in plane.key_headers)
        self.key_headers = tuple(dict.fromkeys((*KEY_HEADERS, *declared)))
        """Headers that may carry a key, besides `authorization`."""
        self._keys = frozenset(name.encode("latin-1") for name in ("authorization", *self.key_headers))

    def find(self, path: str) -> Found | None:
        """Return the dialects that serve a path, or None.

        A slash at the end and a doubled `/v1`, a common mistake in base URLs, are ignored.
        """
        found = self._exact.get(path)
        if found is not None:
            return found
        path = self.normalised(path)
        found = self._exact.get(path)
        if found is None:
            found = next((one for pattern in self._patterns if (one := pattern.match(path)) is not None), None)
        return found

    def normalised(self, path: str) -> str:
        """Return the path without a slash at its end or a doubled beginning such as `/v1/v1`."""
        if path.startswith(self._doubled):
            path = path[path.index("/", 1) :]
        return path.rstrip("/") or "/"

    def list_of(self, path: str, headers: Mapping[str, str]) -> ModelsAt | None:
        """Return the list of models at a normalised path, or None if there is none.

        The path of a list decides the plane, or else a header of its clients.
        """
        for prefix, plane in self._lists.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return ModelsAt(plane, path.removeprefix(prefix).lstrip("/"))
        if path == MODELS or path.startswith(f"{MODELS}/"):
            return ModelsAt(self.plane_with(headers), path.removeprefix(MODELS).lstrip("/"))
        return None

    def place_of(self, scope: Scope, *, has_file: Callable[[str], bool]) -> str:
        """Return the name of the plane of a path, for routing and metrics.

        The console answers its own files, and page requests of browsers for paths that no program uses.
        """
        path: str = scope["path"]
        found = self._exact.get(path)
        if found is not None:
            return found.plane.name
        if path.startswith(self._below):
            found = self.find(path)
            return (found.plane if found else self._plane_of_path(path) or self._plane_below(path)).name
        if (path.startswith("/api/") and not path.startswith("/api/v1/")) or path == "/api":
            return "api"
        if has_file(path) or path == "/metrics":
            return "console"
        return "console" if self._is_navigation(scope, path) else self.plane_of(scope).name

    def plane_of(self, scope: Scope) -> Plane:
        """Return the plane of an unknown path by the parts of the path, else by a header."""
        path: str = scope["path"]
        plane = self._plane_of_path(path)
        if plane is None:
            plane = next((self._known_by[name] for name, _ in scope["headers"] if name in self._known_by), None)
        return plane or self._plane_below(path)

    def plane_with(self, headers: Mapping[str, str]) -> Plane:
        """Return the plane whose clients send these headers."""
        known = (plane for plane in self._planes.values() if not plane.known_by.isdisjoint(headers))
        return next(known, FALLBACK)

    def no_such_path(self, scope: Scope) -> NotFound:
        """Return the error for an unknown path, with a suggested base URL."""
        said = f"{scope['method']} {scope['path'][:200]} is not offered"
        meant = self._meant(scope["path"])
        if meant is None:
            path: str = scope["path"]
            near = difflib.get_close_matches(path[:200], self.served, n=1, cutoff=0.75)
            hint = f"; the nearest path is {near[0]}" if near else ""
            return NotFound(f"{said}{hint}. The page Paths of the documentation lists all paths")
        found = self._exact.get(meant)
        base_path = (self.plane_of(scope) if found is None else found.plane).base_path
        base = (
            f"this Headgate's address followed by {base_path}" if base_path else "this Headgate's address, without /v1"
        )
        return NotFound(f"{said}, but {meant} is: the client's base URL is wrong. Set it to {base}", param="base_url")

    def _meant(self, path: str) -> str | None:
        """Return the longest served path that `path` ends with, with or without `/v1`; none below a served path."""
        if self._above(path) is not None:
            return None
        asked = path.rstrip("/")
        found = [one for one in (*self._exact, MODELS) if asked.endswith(one[one.index("/", 1) :])]
        return max(found, key=len, default=None)

    def _above(self, path: str) -> str | None:
        """Return the longest path of a call that this path continues."""
        return max((one for one in self._exact if path.startswith(f"{one}/")), key=len, default=None)

    def _plane_of_path(self, path: str) -> Plane | None:
        """Return the plane of the longest path of a call that this path continues, else that whose part comes first."""
        if (above := self._above(path)) is not None:
            return self._exact[above].plane
        found = [(at, plane) for part, plane in self._parts if (at := path.find(part)) >= 0]
        return min(found, key=lambda one: one[0])[1] if found else None

    def _plane_below(self, path: str) -> Plane:
        """Return the plane of the first segment of the path."""
        return next((plane for prefix, plane in self._prefixes.items() if path.startswith(prefix)), FALLBACK)

    def _is_navigation(self, scope: Scope, path: str) -> bool:
        """Whether a browser requests a page: programs do not accept HTML, or send a key."""
        if scope["method"] not in ("GET", "HEAD") or _PROGRAMS.match(path):
            return False
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if path.startswith("/assets/"):
            return True  # a missing file gets an error for files
        accepts_pages = any(name == b"accept" and b"text/html" in value.lower() for name, value in headers)
        return accepts_pages and not (_CALLS.match(path) and any(name in self._keys for name, _ in headers))


def _pattern(path: str, found: Found) -> _Pattern:
    before, _, after = path.partition(MODEL)
    return _Pattern(before, after, found)


def _match(route: Route) -> Match:
    return Match(route.operation, None, route.stream, method=route.method, body=route.body, variant=route.variant)


def _declared(dialects: Iterable[ClientDialect]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for dialect in dialects:
        for route in dialect.routes:
            _check_path(route.path, dialect.name)
            known = found.get(route.path)
            calls = {} if known is None else dict(known.calls)
            if route.method in calls or (known is not None and known.plane is not dialect.plane):
                raise Conflict(f"two dialects serve {route.method} {route.path}; uninstall one of them")
            calls[route.method] = Call(dialect, _match(route))
            found[route.path] = Found(route.path, dialect.plane, calls)
    return found


def _check_path(path: str, dialect: str) -> None:
    first, _, rest = path.removeprefix("/").partition("/")
    if not path.startswith("/") or path.endswith("/") or not rest or MODEL in first or path.count(MODEL) > 1:
        raise Invalid(
            f"the dialect {dialect} cannot serve {path}: a path has two segments or more, and at most one {MODEL}"
        )
    is_ours = path.startswith(tuple(f"{own}/" for own in _OWN_PATHS)) or path in _OWN_PATHS
    if is_ours and not path.startswith(f"{MODELS}/{MODEL}:"):  # a method of a model, as Google writes it
        raise Invalid(f"the dialect {dialect} cannot serve {path}: the path belongs to Headgate itself")


def _planes(dialects: Iterable[ClientDialect]) -> dict[str, Plane]:
    planes = {FALLBACK.name: FALLBACK}
    for dialect in dialects:
        plane = dialect.plane
        if plane.name in _OURS or planes.setdefault(plane.name, plane) is not plane:
            raise Conflict(f"the dialect {dialect.name} declares a second plane {plane.name}; uninstall one of them")
    return planes


def _prefixes(found: Iterable[Found]) -> dict[str, Plane]:
    """Return the first segment of each path with its plane; a shared segment gets the fallback."""
    owners: dict[str, set[str]] = {"/v1/": {FALLBACK.name}}
    planes: dict[str, Plane] = {FALLBACK.name: FALLBACK}
    for one in found:
        owners.setdefault(one.path[: one.path.index("/", 1) + 1], set()).add(one.plane.name)
        planes[one.plane.name] = one.plane
    return {prefix: planes[next(iter(names))] if len(names) == 1 else FALLBACK for prefix, names in owners.items()}

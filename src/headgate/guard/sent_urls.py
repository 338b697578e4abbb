"""The URLs with tokens in them that an exchange sent: what came in a URL may go back into the same one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from headgate.guard.pseudonyms import FRAME, TOKEN
from headgate.guard.quotation import is_json
from headgate.guard.urls import JsonUrlContext, UrlContext

_BEFORE_HOST = re.compile(r"(?:[a-z][a-z0-9+.\-]*:)?[/\\]*", re.IGNORECASE)
_HOST_ENDS = re.compile(r"[/\\?#\s\"'<>)\]`]|\Z")
_LONGEST_REST = 256


class SentUrls:
    """What stood before and behind each token within a URL, as the model saw it. Immutable."""

    __slots__ = ("_rests",)

    def __init__(self, texts: Iterable[str]) -> None:
        self._rests: dict[str, set[str | None]] = {}
        for text in texts:
            if FRAME in text:
                self._take(text, UrlContext())
                if is_json(text):
                    self._take(text, JsonUrlContext())

    def is_known(self, url: str | None, behind: str, *, is_last: bool) -> bool | None:
        """Tell whether a URL that reads like this, its token included, was sent; None where that cannot be told yet.

        A token behind the host goes where the URL went. One before or in it stands for a name or a password, so that
        what follows it up to the host's end must be the same, too.
        """
        rests = self._rests.get(_plain(url)) if url is not None else None
        if rests is None:
            return False
        if None in rests:
            return True
        ends = _HOST_ENDS.search(behind)
        if ends is not None and (ends.group() or is_last):
            return behind[: ends.start()] in rests
        return None if any(rest is not None and rest.startswith(behind) for rest in rests) else False

    def _take(self, text: str, context: UrlContext | JsonUrlContext) -> None:
        done = 0
        for match in TOKEN.finditer(text):
            context.advance(text[done : match.start()])
            is_inside, before = context.is_inside, context.url
            context.advance(match.group())
            done = match.end()
            if not is_inside or before is None:
                continue
            rest = None if _has_host(before) else _rest(text, done)
            self._rests.setdefault(_plain(before + match.group()), set()).add(rest)


def _has_host(url: str) -> bool:
    """Tell whether the URL so far says where it goes."""
    start = _BEFORE_HOST.match(url)
    at = 0 if start is None else start.end()
    if at == 1:
        return True  # a path of the page's own host
    return re.search(r"[^/\\?#][/\\?#]", url[at:]) is not None


def _rest(text: str, at: int) -> str:
    end = _HOST_ENDS.search(text, at)
    return text[at : len(text) if end is None else end.start()][:_LONGEST_REST]


def _plain(url: str) -> str:
    return url.replace("&amp;", "&")

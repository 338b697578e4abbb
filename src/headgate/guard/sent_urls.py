"""The URLs that an exchange sent with tokens in them: a value may return into its own URL."""

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
    """The text before and after each token within a URL, as sent to the model. Immutable."""

    __slots__ = ("_rests",)

    def __init__(self, texts: Iterable[str]) -> None:
        self._rests: dict[str, set[str | None]] = {}
        for text in texts:
            if FRAME in text:
                self._take(text, UrlContext())
                if is_json(text):
                    self._take(text, JsonUrlContext())

    def is_known(self, url: str | None, behind: str, *, is_last: bool) -> bool | None:
        """Tell whether this URL, including its token, was sent; None while undecided.

        For a token after the host, the text before it must match. A token before or in the host may
        be a name or a password, so the text after it must match too, up to the end of the host.
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
    """Tell whether the URL so far contains its whole host."""
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

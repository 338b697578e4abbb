"""E-mail addresses, internationalised ones included."""

from __future__ import annotations

import re
from collections.abc import Iterable

from headgate.kernel.detection import Candidate, DetectorManifest, Hit, Kind, Pattern

# A letter of the European and neighbouring scripts (U+00C0 to U+053F), as its two bytes of UTF-8.
# Scripts without spaces between words are left out: a match would include the sentence before the
# address.
_LETTER = r"[\xc3-\xd4][\x80-\xbf]"
_LOCAL = rf"(?:[a-z0-9!#$&'*+/=?^_`{{|}}~.\-]|{_LETTER}){{1,64}}"
_LABEL = rf"(?:[a-z0-9]|{_LETTER})(?:[a-z0-9_\-]|{_LETTER}){{0,62}}"
_TOP = rf"(?:xn--[a-z0-9\-]{{2,58}}|(?:[a-z]|{_LETTER}){{2,24}})"

_SURE = {"spelled": 0.7, "spaced": 0.9}
# Characters before an address that belong to the text around it.
_LEADING = "!#$&'*+/=?^`{|}~.-"
# Delimiters of URLs, queries and assignments. No mailbox in use has them in its name.
_TO_LAST_DELIMITER = re.compile(r".*[/?#&=|`{}]", re.DOTALL)

_TAG = re.compile(r"(?<![\w.\-])[\w.\-]++\+[\w.\-]++=[\w.\-]*+\Z")
# An address within the authority of a URL, after `scheme://`: it names an account.
_AUTHORITY = re.compile(r"\b(?!mailto|xmpp|sips?:)[a-z][a-z0-9+.\-]{0,24}://[^\s/?#\"'<>]{0,160}\Z", re.IGNORECASE)
_PASSWORD_FOLLOWS = re.compile(r":[^\s/?#\"'<>]{1,160}@")
_REMOTE_SHELL = re.compile(
    r"\b(?:ssh|scp|sftp|rsync|mosh|autossh|ssh-copy-id|git clone|git remote)(?= )[^\r\n]{0,120}\Z"
)
_REMOTE_PATH = re.compile(r":(?:[/~]|[\w.\-]+/)")
_MESSAGE_ID = re.compile(
    r"(?:^|[\r\n])[ \t>]*(?:resent-)?(?:message-id|in-reply-to|references|content-id)[ \t]*:[^\r\n]{0,400}<\Z",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"@(?:[0-9.]+x\.[a-z]+|.*\.(?:png|jpe?g|gif|svg|webp|avif|bmp|ico|tiff?|css|m?jsx?|tsx?|json|ya?ml|toml|xml|html?|txt|csv"
    r"|pdf|lock|tgz|whl|jar))$|@[0-9]+\.[0-9]+\.",
    re.IGNORECASE,
)


class _Email:
    manifest = DetectorManifest(
        "detectors", "email", "E-mail addresses, internationalised ones included.", kinds=(Kind("email", "pii"),)
    )
    patterns = (
        Pattern("address", rf"{_LOCAL}@(?:{_LABEL}\.){{1,8}}{_TOP}", is_caseless=True),
        # A separate pattern, so that a match of `0@ ` does not run into an address after it.
        Pattern("spaced", rf"{_LOCAL} @ (?:{_LABEL}\.){{1,8}}{_TOP}", is_caseless=True),
        Pattern("quoted", rf'"[^"\r\n@\x1c]{{1,64}}"@(?:{_LABEL}\.){{1,8}}{_TOP}', is_caseless=True),
        Pattern("literal", rf"{_LOCAL}@\[(?:ipv6:)?[0-9a-f.:]{{3,45}}\]", is_caseless=True),
        Pattern(
            "spelled",
            rf"{_LOCAL} ?[\[({{<] ?at ?[\])}}>] ?{_LABEL}(?: ?(?:\.|[\[({{<] ?(?:dot|punkt|point|punto) ?[\])}}>]) ?"
            rf"{_LABEL}){{1,4}}",
            is_caseless=True,
        ),
        Pattern("capitals", r"\b[A-Za-z0-9._\-]{2,64} AT [A-Za-z0-9\-]{1,62}(?: DOT [A-Za-z0-9\-]{2,62}){1,4}\b"),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Return the address without the text before it.

        Drop accounts in URLs and shell commands, files and packages.
        """
        value = candidate.value
        local = value if candidate.pattern == "quoted" else _local_part(value)
        start = candidate.start + len(value) - len(local)
        if not local or local[0] in "@ ":
            return ()
        if candidate.pattern == "spaced" and local.partition(" ")[0].isdigit():
            return ()  # a price: `3 @ 4.50`
        if candidate.pattern == "address" and _is_no_mailbox(candidate, start, local):
            return ()
        return (Hit(start, candidate.end, "email", _SURE.get(candidate.pattern, 0.95)),)


def _local_part(value: str) -> str:
    """Strip the part of a URL, a query or a quotation before the address."""
    at = value.rfind("@")
    behind = _TO_LAST_DELIMITER.match(value, 0, at)
    cut = 0 if behind is None else behind.end()
    if value[cut - 1 : cut] == "=" and (tag := _TAG.search(value, 0, at)):
        cut = tag.start()
    return value[cut:].lstrip(_LEADING)


def _is_no_mailbox(candidate: Candidate, start: int, address: str) -> bool:
    text, end = candidate.text, candidate.end
    if address.lower().startswith("git@") or _FILE.match(address, address.index("@")):
        return True
    if _AUTHORITY.search(text[max(0, start - 200) : start]):
        return not _PASSWORD_FOLLOWS.match(text, end, end + 200)
    if _REMOTE_PATH.match(text, end, end + 80):
        return True
    before = text[max(0, start - 440) : start]
    return _MESSAGE_ID.search(before) is not None or _REMOTE_SHELL.search(before[-140:]) is not None


detector = _Email()

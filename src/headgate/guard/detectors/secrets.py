"""Keys and tokens of clouds, code hosts, package registries, model providers and services."""

from __future__ import annotations

import re
from collections.abc import Iterable

from headgate.guard.detectors._formats import DISTINCT, SERVICES
from headgate.guard.detectors._text import is_letter
from headgate.guard.detectors._words import entropy_bits, is_opaque, is_reference, is_slug, is_wordy
from headgate.kernel.detection import ANY, Candidate, DetectorManifest, Hit, Kind, Pattern

_LEAST_ENTROPY_BITS = 2.5
_IN_BLOB = re.compile(r"[A-Za-z0-9+/]{40}\Z")
# The first long word after a service's name.
# Hyperscan takes only some dozens of names in one expression.
_KEY_AFTER = r"[^\r\n;\x1c]{0,40}?[=:>|, \t\"'`][A-Za-z0-9+/=_%.\-]{14}"
_BEGUN = 14
_CHUNK = 32
_WHOLE = re.compile(r"[A-Za-z0-9_=+/.:%\-]{14,400}")
_SERVICE = re.compile(rf"(?:{'|'.join(SERVICES)})", re.IGNORECASE)
_SECRET_WORD = re.compile(r"key|token|secret|password|credential|auth(?!or)|pat\b|dsn|login", re.IGNORECASE)
_NO_WORD = re.compile(r"(?:[_\-. ]?api)?[^A-Za-z0-9]*", re.IGNORECASE)
_OTHER_WORD = re.compile(
    r"(?:^|[^a-z])(?:commits?|sha[0-9]*|md5|digest|checksum|hash(?:es)?|rev(?:ision)?|release|versions?|etag|event|trace|span|"
    r"requests?|issues?|runs?|jobs?|builds?|deploy(?:ment)?s?|order|user|account|project|org|organization|team|workspace|message|"
    r"channel|guild|server|page|object|file|image|region|url|uri|link|docs?|ticket|ids?|path|host|domain|bucket|arn|package|"
    r"dashboard|uuid|instance|cluster|branch|repo|tag|model)(?![a-z])",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ADDRESS = re.compile(r"://|^[\w.\-]+/[\w.\-/]*$|^(?:[\w\-]+\.)+[a-z]{2,10}(?:[/:].*)?$")


class _Secrets:
    manifest = DetectorManifest(
        "detectors",
        "secrets",
        "Keys and tokens of clouds, code hosts, models and services.",
        kinds=(Kind(ANY, "secret", word="SECRET", is_complete=False),),
    )
    patterns = (
        *(Pattern(f"{kind}.{at}", regex) for at, (kind, regex) in enumerate(DISTINCT)),
        *(
            Pattern(
                f"service_key.{at}",
                rf"(?:{'|'.join(SERVICES[at : at + _CHUNK])}){_KEY_AFTER}",
                is_caseless=True,
                retry=3,
            )
            for at in range(0, len(SERVICES), _CHUNK)
        ),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Return the key, or the value after a service's name.

        Drop placeholders such as `ghp_xxxxxxxx`, words and pieces of encoded files.
        """
        if candidate.pattern.startswith("service_key."):
            return _service_key(candidate)
        kind, value = candidate.pattern.partition(".")[0], candidate.value
        if entropy_bits(value) < _LEAST_ENTROPY_BITS or _is_words(value) or _IN_BLOB.search(candidate.before(40)):
            return ()
        return (Hit(candidate.start, candidate.end, kind, 0.95),)


def _is_words(value: str) -> bool:
    """Tell whether the match is words, such as `pa-house-of-representatives`."""
    return value.count("-") > 3 and not any(map(str.isdigit, value)) and value.islower()


def _service_key(candidate: Candidate) -> Iterable[Hit]:
    """Return the long word after a service's name, unless the text between rules it out."""
    start = candidate.end - _BEGUN
    whole = _WHOLE.match(candidate.text, start)
    name = _SERVICE.match(candidate.value)
    if whole is None or name is None or (is_letter(candidate.before(1)) and not name.group()[0].isupper()):
        return ()
    token = whole.group().rstrip(".:")
    cut = _name_end(token)
    start, token = start + cut, token[cut:]
    gap = candidate.text[candidate.start + name.end() : start]
    says_so = _SECRET_WORD.search(gap) is not None
    if (
        "::" in gap
        or candidate.before(2) == "::"
        or (not says_so and (not _NO_WORD.fullmatch(gap) or candidate.before(1) in ("/", "@", ".")))
    ):
        return ()
    if says_so and _OTHER_WORD.search(gap[_last_end(_SECRET_WORD, gap) :]):
        return ()
    if not _is_key(token, says_so=says_so):
        return ()
    kind = re.sub("[^a-z0-9]", "", name.group().lower()) + "_key"
    return (Hit(start, start + len(token), kind, 0.85),)


def _name_end(token: str) -> int:
    """Return the start of the value after a name such as `client_id=` and after slashes."""
    at = token.rfind("=", 0, len(token.rstrip("="))) + 1
    name_end = at if at and is_wordy(token[: at - 1]) else 0
    return name_end + len(token[name_end:]) - len(token[name_end:].lstrip("/.=%:"))


def _last_end(words: re.Pattern[str], text: str) -> int:
    return max((found.end() for found in words.finditer(text)), default=0)


def _is_key(token: str, *, says_so: bool) -> bool:
    if len(token) < 14 or is_wordy(token) or _ADDRESS.search(token):
        return False
    if _UUID.fullmatch(token):
        return says_so
    if is_slug(token) or is_reference(token):
        return False
    if token.isdigit():
        return says_so and len(token) >= 15
    return is_opaque(token, least=14) and entropy_bits(token) > _LEAST_ENTROPY_BITS


detector = _Secrets()

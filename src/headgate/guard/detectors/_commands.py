"""Finds secrets in commands, SQL statements, device configurations and sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable

from headgate.guard.detectors._text import words
from headgate.guard.detectors._words import (
    is_reference,
    is_said_to_be_made_up,
    is_stand_in,
    is_wordy,
    is_wordy_phrase,
    kinds,
)
from headgate.kernel.detection import Candidate, Hit, Pattern

_CLIENTS = (
    r"curl|wget|sshpass|mysql|mysqldump|mysqladmin|mariadb|mariadb-dump|redis-cli|"
    r"(?:docker|podman|oc|az|helm registry|skopeo|crane) login|"
    r"ldap(?:search|modify|add|whoami|passwd)|mongosh|mongo|mongodump|mongorestore|htpasswd|sqlcmd|"
    r"smbclient|kinit|net use|pg_dump|7z"
)
_VALUE = r"(?:\"([^\"\r\n\x1c]{3,200})\"|'([^'\r\n\x1c]{3,200})'|([^\s\"'\x1c]{3,200}))"
_ACCOUNT = re.compile(
    r"[ \t](?:-u|-U|--user|--proxy-user|--username)[ =]?(?:\"[^\s:%\"]{0,80}[:%]([^\"\r\n]{3,200})\"|"
    r"'[^\s:%']{0,80}[:%]([^'\r\n]{3,200})'|[^\s:%\"']{0,80}[:%]([^\s\"'\x1c]{3,200}))"
)
_SPACED = re.compile(rf"[ \t](?:-p|-a|-w|--pass)[ =]{_VALUE}")
_ATTACHED = re.compile(r"[ \t]-p(?:\"([^\"\r\n]{3,200})\"|'([^'\r\n]{3,200})'|([^\s\"'=][^\s\"']{2,200}))")
_WINDOWS = re.compile(
    r"/user:[^\s]{1,80}[ \t]+(?:\"([^\"\r\n]{3,200})\"|'([^'\r\n]{3,200})'|([^\s\"']{3,200}))", re.IGNORECASE
)
_PORT_OR_PATH = re.compile(r"[0-9:,.\-]+(?:/(?:tcp|udp))?|/.*|-.*|//.*")
_LONGEST_LINE = 400
_PAIR = (
    r"(?:creds|credentials?|logins?|basic[_\-]?auth|user(?:name)?[/:]pass(?:word|wd)?|login[/:]pass(?:word|wd)?|u/p|zugangsdaten)"
    r"[\"'`]?[ \t]{0,3}[:=][ \t]{0,3}[\"'`]?[a-z0-9._@\\\-]{1,60}[ ]?[:/][ ]?[^\s\"'`,;\x1c]{4,120}"
)
_PAIRED = re.compile(r"[:=][ \t]{0,3}[\"'`]?[\w.@\\\-]{1,60}[ ]?[:/][ ]?([^\s\"'`,;]{4,120})\Z")
_QUOTED_LAST = re.compile(r"[\"']([^\"'\r\n]{4,400})[\"']\Z")
_PIPED = re.compile(
    r"echo (?:-n )?[\"']?(?:[\w.\-]{1,40}:(?=[^|\r\n]*\|[^\r\n]*chpasswd))?([^|\"'\r\n]{4,120}?)[\"']?[ ]*\|"
)
_USED = re.compile(r" [\"'`]?([^\s\"'`]{6,60})[\"'`]? as ")
_GIVEN = re.compile(r"(?::|\b(?:is|ist|lautet|est|es|was|war|to)|[\u00e9\u00e8]|\u00e4r)[ ]?[\"'`]?\Z")
_REFERRED = re.compile(r"(?:env|file|vault|https?):\Z", re.IGNORECASE)
_SEED_LABEL = re.compile(r"(?:seed|mnemonic|recovery|backup|wallet)(?: phrase| words?)?(?: is| are)?[\"'` :=]{1,4}")
_LOWER_WORD = re.compile(r"[a-z]{3,8}")
_SENTENCE = frozenset(
    words(
        """
    the and for was are with that this you your not but from have has they will would were been their which
    there when
    """
    )
)
_MNEMONIC_SIZES = (12, 15, 18, 21, 24)
_WHOLE = r"(\"[^\"\r\n]{4,200}\"|'[^'\r\n]{4,200}'|[^\s\"';,]{4,200})"
_LAST = re.compile(rf"[ \t>]{_WHOLE}\Z")
_LONG_WORD = re.compile(r"(?<=[ \t\"'`(])[^\s\"'`,;<>()=|]{8,40}(?=[\s\"'`,;)]|$)")
_LIKE_ADDRESS = re.compile(r"[\w.\-]@|https?:|\\|/[^/\n]*+/|[A-Za-z][-.:/][A-Za-z]++(?:[-.:/][A-Za-z]*+)?[0-9]*+$")

PATTERNS = (
    Pattern("command", rf"\b(?:{_CLIENTS})[ \t]"),
    Pattern("pair", _PAIR, is_caseless=True),
    Pattern(
        "statement",
        r"\b(?:with password|identified(?: with [a-z0-9_]{1,40})? (?:by|as))[ \t]{1,4}(?:password[ \t])?"
        r"(?:\"[^\"\r\n\x1c]{4,200}\"|'[^'\r\n\x1c]{4,200}'|[^\s\"'`;,\x1c]{4,200})",
        is_caseless=True,
    ),
    Pattern(
        "device",
        r"\b(?:(?:secret|password|key|key-string) [05-9]|requirepass|masterauth|net user [^\s\x1c]{1,40}) "
        r"[^\s\"';,\x1c]{4,200}",
    ),
    Pattern(
        "community",
        r"\b(?:snmp-server community|rocommunity6?|rwcommunity6?|snmpwalk -v ?2?c? ?-c) [^\s\"';,\x1c]{4,200}",
    ),
    Pattern("netrc", r"\blogin[ \t]{1,4}[^\s\x1c]{1,80}[ \t\r\n]{1,12}password[ \t]{1,4}[^\s\x1c]{4,200}"),
    Pattern(
        "element",
        r"<[a-z0-9:_.\-]{0,40}(?:password|passwd|passphrase|pwd|secret|token|api-?_?key|secret-?_?key|access-?_?key)>"
        r"[^<>\s\x1c]{4,200}</",
        is_caseless=True,
    ),
    Pattern(
        "password_hash",
        r"\$(?:1|5|6|7|y|apr1|2[aby]|argon2(?:id|i|d))\$[./A-Za-z0-9$=,+]{20,200}|"
        r"\{S?SHA[0-9]{0,3}\}[A-Za-z0-9+/]{20,120}={0,2}",
    ),
    Pattern(
        "call",
        r"(?:set_?(?:password|secret|api_?key)|convertto-securestring|with_?password)[ ]{0,2}\(?[ ]{0,2}"
        r"[\"'][^\"'\r\n\x1c]{4,200}[\"']",
        is_caseless=True,
    ),
    Pattern(
        "account",
        r"(?:networkcredential|basic_?auth|auth[ ]?=)[ ]?\([ ]?"
        r"[\"'][^\"'\r\n\x1c]{1,80}[\"'], ?[\"'][^\"'\r\n\x1c]{4,200}[\"']",
        is_caseless=True,
    ),
    Pattern("registry", r"\"auth\"[ ]?:[ ]?\"[A-Za-z0-9+/]{12,400}={0,2}\""),
    Pattern("piped", r"\becho [^|\r\n\x1c]{4,120}\|[^\r\n\x1c]{0,80}(?:--password-stdin|--stdin|chpasswd|sudo -S)"),
    Pattern(
        "used",
        r"\b(?:use|enter|try|type) [^\s\x1c]{6,60} as (?:the |your |my )?(?:password|passphrase|pw)\b",
        is_caseless=True,
    ),
    Pattern(
        "seed_phrase",
        r"\b(?:seed|mnemonic|recovery|backup|wallet)(?: phrase| words?)?(?: is| are)?[\"'` :=]{1,4}"
        r"[a-z]{3,8}(?:[ ]{1,2}[a-z]{3,8}){11,23}\b",
    ),
    Pattern(
        "mentioned",
        r"(?:pass(?:word|wort|phrase)|kennwort|contrase\xc3\xb1a|mot de passe|senha|"
        r"\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c)[^\r\n\x1c]{8,110}",
        is_caseless=True,
    ),
)


def judge(candidate: Candidate) -> Iterable[Hit]:
    """Return the secrets of a command, a statement or a sentence."""
    match candidate.pattern:
        case "command":
            return _command(candidate)
        case "pair":
            return _part(candidate, _PAIRED, "password")
        case "seed_phrase":
            return _seed(candidate)
        case "mentioned":
            return _mentioned(candidate)
        case "password_hash":
            return (Hit(candidate.start, candidate.end, "password_hash", 0.9),)
        case "call" | "account" | "registry":
            return _part(candidate, _QUOTED_LAST, "password")
        case "piped":
            return _part(candidate, _PIPED, "password")
        case "used":
            return [
                hit for hit in _part(candidate, _USED, "password") if _is_mixed(candidate.text[hit.start : hit.end])
            ]
        case "statement":
            return _statement(candidate)
        case "element":
            start = candidate.text.index(">", candidate.start) + 1
            return _checked(candidate.text, start, candidate.end - 2, "password")
        case _:
            return _part(candidate, _LAST, "password")


def _part(candidate: Candidate, shape: re.Pattern[str], kind: str) -> Iterable[Hit]:
    found = shape.search(candidate.text, candidate.start, candidate.end)
    if found is None:
        return ()
    start, end = found.span(1)
    if candidate.text[start] in "\"'" and candidate.text[end - 1] == candidate.text[start]:
        start, end = start + 1, end - 1
    return _checked(candidate.text, start, end, kind)


def _statement(candidate: Candidate) -> Iterable[Hit]:
    """Return the password of an SQL statement, but not of an ordinary sentence."""
    hits = tuple(_part(candidate, _LAST, "password"))
    values = [candidate.text[hit.start : hit.end] for hit in hits]
    is_statement = candidate.value.startswith(("IDENTIFIED", "WITH PASSWORD"))
    return hits if is_statement or any(kinds(value) >= 2 and not is_wordy(value) for value in values) else ()


def _checked(text: str, start: int, end: int, kind: str) -> Iterable[Hit]:
    value = text[start:end]
    if (
        is_stand_in(value)
        or _REFERRED.search(text, max(0, start - 8), start)
        or is_reference(value)
        or value in ("public", "private")
    ):
        return ()
    return (Hit(start, end, kind, 0.75),)


def _command(candidate: Candidate) -> Iterable[Hit]:
    """Return the passwords in the flags of one command, up to the end of its line."""
    text, at = candidate.text, candidate.start
    stop = text.find("\n", at, at + _LONGEST_LINE)
    stop = min(len(text), at + _LONGEST_LINE) if stop < 0 else stop
    has_no_flag = candidate.value.startswith(("curl", "wget", "smb", "net", "mysql", "maria"))
    shapes = [_ACCOUNT, _WINDOWS if has_no_flag else _SPACED]
    if candidate.value.startswith(("mysql", "maria", "sshpass", "7z")):
        shapes.append(_ATTACHED)
    hits: list[Hit] = []
    for shape in shapes:
        for found in shape.finditer(text, at, stop):
            start, end = found.span(found.lastindex or 1)
            if not _PORT_OR_PATH.fullmatch(text[start:end]):
                hits += _checked(text, start, end, "password")
    return hits


def _seed(candidate: Candidate) -> Iterable[Hit]:
    """Return the seed phrase, if it has as many words as seed phrases have.

    The number of words tells it from a sentence without a list of seed words.
    """
    label = _SEED_LABEL.match(candidate.value)
    first = candidate.start + (label.end() if label else 0)
    found = list(_LOWER_WORD.finditer(candidate.text, first, candidate.end))
    count = next((at for at, word in enumerate(found) if word.group() in _SENTENCE), len(found))
    if count not in _MNEMONIC_SIZES:
        return ()
    return (Hit(found[0].start(), found[count - 1].end(), "seed_phrase", 0.8),)


def _is_mixed(value: str) -> bool:
    """Tell whether the value mixes letters and digits and is not a name with digits."""
    has_figures, has_letters = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    return has_figures and has_letters and not is_wordy_phrase(value)


def _mentioned(candidate: Candidate) -> Iterable[Hit]:
    """Return the first likely password in the rest of a line that mentions a password."""
    begin = candidate.text.find(" ", candidate.start, candidate.end)
    for found in _LONG_WORD.finditer(candidate.text, begin, candidate.end) if begin >= 0 else ():
        value = found.group().rstrip(".:?")
        core = value.rstrip("!")
        is_given = _GIVEN.search(candidate.text, max(0, found.start() - 12), found.start()) is not None
        if is_given and _is_mixed(value) and not is_stand_in(value) and not _LIKE_ADDRESS.search(value):
            return (Hit(found.start(), found.start() + len(value), "password", 0.6),)
        if kinds(core) < 3 or not any(map(str.isdigit, core)) or kinds(value) < 4:
            continue
        is_sentence_end = core != value and not candidate.text[found.end() : found.end() + 2].strip().islower()
        if is_sentence_end and kinds(core) < 4:
            continue
        if (
            _LIKE_ADDRESS.search(value)
            or is_stand_in(value)
            or is_reference(value)
            or is_wordy(core) != (core != value)
        ):
            continue
        if is_said_to_be_made_up(candidate.text, found.end()):
            continue
        return (Hit(found.start(), found.start() + len(value), "password", 0.6),)
    return ()

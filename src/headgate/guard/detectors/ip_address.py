"""IPv4 and IPv6 addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from headgate.guard.detectors._text import is_letter, words
from headgate.kernel.detection import Candidate, DetectorManifest, Hit, Kind, Pattern

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
# Words before other numbers in four parts, such as `clauses 4.1.2.3 and 10.20.30.40`.
# The word is right before the number: "the server at 10.0.0.7" is an address despite its "ver".
_NUMBERED = re.compile(
    r"(?:(?:\b|_)(?:versions?|ver|v|releases?|builds?|sections?|sect|sec|chapters?|revisions?|rev|clauses?|exhibits?|articles?|"
    r"paragraphs?|annex|appendix|schedules?|figures?|fig|tables?|drivers?|firmware|bios|patch(?:level)?|oid|fileversion|"
    r"assemblyversion|abschnitt|kapitel|ziffer|treiber|sdk|kernel|macos|ios|android|openssl|nginx|"
    r"upgraded? (?:from|to)|updated? (?:from|to))_*\.?|§)"
    r"[\"'\s:#=(>]{0,5}(?:[0-9.]{1,15}(?:\s*,|\s+(?:and|or|to|und|oder|bis|et|y))\s+){0,4}\Z",
    re.IGNORECASE,
)
# `Chrome/120.0.0.0`, but not `host/10.0.0.7`.
_PRODUCT = re.compile(r"/[\w.\-]+:\Z|\b[a-z]?[A-Z][A-Za-z]*/\Z")
_PINNED = re.compile(r"(?:[A-Za-z0-9_\])]\s?[=~<>!]=|\^|~)\s?\Z")
_BUILD = re.compile(r"-[0-9]{0,4}[a-z]|\^|\+")
# A path of a drawing, such as `1.4.2 2.1.2.4 0`.
_AMONG_FIGURES = re.compile(r"[0-9]\s?\Z")
_SERVED = re.compile(r":[0-9]{1,5}\b|/[0-9]{1,2}\b")

# Addresses that identify nobody: public resolvers and the metadata service of the clouds.
_KNOWN = frozenset(
    words(
        """
    8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 9.9.9.9 149.112.112.112 208.67.222.222 208.67.220.220 169.254.169.254
    255.255.255.255
    """
    )
)
_KNOWN_V6 = frozenset(
    int(ipaddress.IPv6Address(address))
    for address in [
        "2001:4860:4860::8888",
        "2001:4860:4860::8844",
        "2606:4700:4700::1111",
        "2606:4700:4700::1001",
        "2620:fe::fe",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ]
)


class _IpAddress:
    manifest = DetectorManifest(
        "detectors", "ip_address", "IPv4 and IPv6 addresses.", kinds=(Kind("ip_address", "pii"),)
    )
    patterns = (
        Pattern("v4", rf"\b{_OCTET}(?:\.{_OCTET}){{3}}\b"),
        Pattern("v4_defanged", rf"\b{_OCTET}(?:(?:\[\.\]|\(\.\)|\[dot\]){_OCTET}){{3}}\b", is_caseless=True),
        Pattern(
            "v6",
            r"(?:[0-9a-f]{1,4}:){2,7}[0-9a-f:.]{1,40}|::(?:[0-9a-f]{1,4}:){0,6}[0-9a-f.]{1,15}|"
            r"(?:[0-9a-f]{1,4}:){1,7}:[0-9a-f:.]{0,40}",
            is_caseless=True,
        ),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Keep addresses of single machines.

        Drop versions, clauses, netmasks, clock times and well-known addresses.
        """
        if candidate.pattern == "v6":
            return _judge_v6(candidate)
        before, after = candidate.before(60), candidate.after(6)
        if before[-1:] == "." or (after[:1] == "." and after[1:2].isdigit()):
            return ()
        if candidate.pattern == "v4" and _is_nobodys(candidate.value):
            return ()
        if not _SERVED.match(after) and _is_version(candidate.value, before, after):
            return ()
        return (Hit(candidate.start, candidate.end, "ip_address", 0.9),)


def _is_version(value: str, before: str, after: str) -> bool:
    if before[-1:] in ("v", "V") or _PINNED.search(before) or _PRODUCT.search(before):
        return True
    is_in_name = before[-1:] in ("-", "_") and before[-2:-1].isalpha()
    if is_in_name and not value.startswith(("192.168.", "172.", "10.")):
        return True
    if _BUILD.match(after) or (_AMONG_FIGURES.search(before) and len(value) == len("1.2.3.4")):
        return True
    return _NUMBERED.search(before) is not None


def _is_nobodys(value: str) -> bool:
    """Tell whether the address is a netmask, a loopback address or well known."""
    first = value.partition(".")[0]
    if first in ("0", "127") or value in _KNOWN:
        return True
    if first != "255":
        return False
    inverted = ~int(ipaddress.IPv4Address(value)) & 0xFFFFFFFF
    return inverted & (inverted + 1) == 0


def _judge_v6(candidate: Candidate) -> Iterable[Hit]:
    value = candidate.value.rstrip(".")
    if value.endswith(":") and not value.endswith("::"):
        value = value[:-1]
    before, after = candidate.before(2), candidate.text[candidate.start + len(value) :][:1]
    if any(is_letter(char) or char == ":" for char in (before[-1:], after)):
        return ()
    if before[-1:] == "[" and is_letter(before[:1]):
        return ()  # a slice: `a[1::2]`
    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        return ()
    groups = [group for group in value.split(":") if group]
    if int(address) < 2 or int(address) in _KNOWN_V6 or not _is_telling(groups):
        return ()
    return (Hit(candidate.start, candidate.start + len(value), "ip_address", 0.9),)


def _is_telling(groups: list[str]) -> bool:
    """Tell whether the groups are an address, not a slice, a scoped name or other octets."""
    if len(groups) == 8 and all(len(group) == 2 for group in groups):
        return False  # a world wide name, or a part of a fingerprint
    has_digit = any(char.isdigit() for group in groups for char in group)
    return len(groups) >= 4 or (has_digit and any(len(group) >= 3 for group in groups))


detector = _IpAddress()

"""Addresses of machines: IPv4 and IPv6."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from headgate.kernel.detection import Candidate, Hit, Pattern
from headgate.kernel.extensions import Manifest

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
# Right before the number: "the server at 10.0.0.7" is an address though it holds "ver".
_VERSION_WORD = re.compile(r"(?:\b(?:version|ver|v|release|build|section|chapter|revision)\.?|§)\s{0,3}[:#=]?\s{0,3}$")


class _IpAddress:
    manifest = Manifest("detectors", "ip_address", "IPv4 and IPv6 addresses.")
    category = "pii"
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
        """Keep addresses; drop version numbers, clock times and the addresses that everybody's own machine has."""
        if candidate.pattern == "v6":
            return _judge_v6(candidate)
        before, after = candidate.before(12).lower(), candidate.after(2)
        if before[-1:] == "." or (after[:1] == "." and after[1:].isdigit()):
            return ()
        if _VERSION_WORD.search(before) or before.endswith(("v", "-")):
            return ()
        return (Hit(candidate.start, candidate.end, "ip_address", 0.9),)


def _judge_v6(candidate: Candidate) -> Iterable[Hit]:
    value = candidate.value.rstrip(".")
    if value.endswith(":") and not value.endswith("::"):
        value = value[:-1]
    before, after = candidate.before(1), candidate.text[candidate.start + len(value) :][:1]
    if before.isalnum() or before == ":" or after.isalnum() or after == ":":
        return ()
    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        return ()
    if int(address) < 2 or (value.count(":") < 3 and not any(char.isdigit() for char in value)):
        return ()
    return (Hit(candidate.start, candidate.start + len(value), "ip_address", 0.9),)


detector = _IpAddress()

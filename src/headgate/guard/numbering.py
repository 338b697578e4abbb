"""Which national telephone numbers there are, told by one regular expression for each numbering plan.

The plans are those of `phonenumbers`, whose own check takes ten times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberDesc

_KINDS = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan"),
    "voicemail",
)


class Plan(NamedTuple):
    """How numbers are dialled in one region, and which ones its calling code has."""

    trunk: re.Pattern[str] | None
    numbers: re.Pattern[str]


def plans_of(regions: Iterable[str]) -> tuple[Plan, ...]:
    """Return the plans of these regions."""
    return tuple(map(_plan, regions))


def is_national(digits: str, plans: Sequence[Plan]) -> bool:
    """Tell whether these digits, dialled inside a region of one of the plans, are a number of it."""
    return any(_is_of(digits, plan) for plan in plans)


def _is_of(digits: str, plan: Plan) -> bool:
    trunk = None if plan.trunk is None else plan.trunk.match(digits)
    national = digits if trunk is None else digits[trunk.end() :]
    # A number that has no need of its trunk prefix keeps it, as `phonenumbers` has it.
    return any(plan.numbers.fullmatch(one) is not None for one in {national, digits})


def _plan(region: str) -> Plan:
    metadata = _metadata(region)
    sharing: Sequence[str] = COUNTRY_CODE_TO_REGION_CODE[metadata.country_code or 0]
    trunk = metadata.national_prefix_for_parsing
    numbers = "|".join(_numbers(_metadata(other)) for other in sharing)
    return Plan(re.compile(trunk) if trunk else None, re.compile(numbers))


def _numbers(metadata: PhoneMetadata) -> str:
    kinds: list[PhoneNumberDesc | None] = [getattr(metadata, kind) for kind in _KINDS]
    patterns = [kind.national_number_pattern for kind in kinds if kind is not None and kind.national_number_pattern]
    general = metadata.general_desc
    return f"(?={general.national_number_pattern if general else ''}\\Z)(?:{'|'.join(patterns)})"


def _metadata(region: str) -> PhoneMetadata:
    metadata = PhoneMetadata.metadata_for_region(region)
    assert metadata is not None, region
    return metadata

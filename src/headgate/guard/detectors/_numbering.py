"""National numbering plans from `phonenumbers`, used without its parser.

A cache keeps the plans of each calling code that has appeared.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

_REGIONS = ("GB", "DE", "FR", "CH", "AT", "IT", "ES", "NL", "BE", "SE", "AU", "IN", "BR", "JP", "CN")
_LONGEST_CODE = 3


class _Plan(NamedTuple):
    """Number lengths and patterns of one region, without the trunk prefix."""

    lengths: frozenset[int]
    local_lengths: frozenset[int]
    forms: tuple[re.Pattern[str], ...]
    trunk: str

    def has(self, number: str) -> bool:
        """Tell whether the number fits the plan."""
        return len(number) in self.lengths and any(form.fullmatch(number) for form in self.forms)


@lru_cache(maxsize=512)
def _plan(region: str, code: int) -> _Plan:
    """Return the plan of a region, or of a calling code without a region."""
    found = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if found is None or found.general_desc is None:
        return _Plan(frozenset(), frozenset(), (), "")
    kinds = (
        found.fixed_line,
        found.mobile,
        found.toll_free,
        found.shared_cost,
        found.voip,
        found.personal_number,
        found.uan,
    )
    forms = tuple(
        re.compile(kind.national_number_pattern)
        for kind in kinds
        if kind is not None and kind.national_number_pattern is not None
    )
    general = found.general_desc
    return _Plan(
        frozenset(general.possible_length),
        frozenset(general.possible_length_local_only),
        forms,
        found.national_prefix or "",
    )


@lru_cache(maxsize=512)
def _plans(code: int) -> tuple[_Plan, ...]:
    return tuple(_plan(region, code) for region in COUNTRY_CODE_TO_REGION_CODE[code])


def is_possible(digits: str) -> bool:
    """Tell whether the digits are a calling code and a number of a possible length."""
    for size in range(1, _LONGEST_CODE + 1):
        code = int(digits[:size])
        if code in COUNTRY_CODE_TO_REGION_CODE:
            plan = _plans(code)[0]
            rest = len(digits) - size
            return rest in plan.lengths or (digits[size : size + 1] == "0" and rest - 1 in plan.lengths)
    return False


def is_valid(digits: str) -> bool:
    """Tell whether the digits are a calling code and a number of its plan."""
    for size in range(1, _LONGEST_CODE + 1):
        code = int(digits[:size])
        if code in COUNTRY_CODE_TO_REGION_CODE:
            return any(plan.has(digits[size:]) for plan in _plans(code))
    return False


def is_national(digits: str) -> bool:
    """Tell whether the digits are a national number in one of `_REGIONS`."""
    return any(_has_national(region, digits) for region in _REGIONS)


def _has_national(region: str, digits: str) -> bool:
    plan = _plan(region, _CODES[region])
    number = digits.removeprefix(plan.trunk) if plan.trunk else digits
    return plan.has(number)


_CODES = {
    region: code for code, regions in COUNTRY_CODE_TO_REGION_CODE.items() for region in regions if region in _REGIONS
}

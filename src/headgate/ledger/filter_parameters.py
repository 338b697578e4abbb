"""The filters of records as parameters of the admin API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import cast, get_args

from headgate.admin.operations import Parameter
from headgate.admin.requests import Request
from headgate.kernel.errors import Invalid
from headgate.kernel.record import Outcome
from headgate.ledger.filters import RecordFilters
from headgate.ledger.names import Names
from headgate.ledger.store import Kind

PERIODS: Mapping[str, timedelta] = MappingProxyType(
    {
        "15m": timedelta(minutes=15),
        "1h": timedelta(hours=1),
        "24h": timedelta(days=1),
        "7d": timedelta(days=7),
        "30d": timedelta(days=30),
    }
)
MAX_TEXT_CHARS = 200

_OPEN = "open"
_EXACT = ("verb", "use_case", "resource", "rule", "category", "model", "deployment", "error", "masked")

FILTERS = (
    Parameter("kind", "Only `calls`, or only `administration` with Headgate's own jobs; both without attempts."),
    Parameter("verb", "Only this verb, such as model.dispatch."),
    Parameter("outcome", "Only this outcome; `open` for records that are not closed."),
    Parameter("use_case", "Only this use case."),
    Parameter("resource", "Only this resource, such as deployment:local-chat."),
    Parameter("principal", "Only this person or program, by name, id or pseudonym."),
    Parameter("key", "Only calls with this key, by name or id."),
    Parameter("model", "Only calls of this model, by its alias."),
    Parameter("deployment", "Only calls that went to this deployment."),
    Parameter("rule", "Only records in which this rule matched."),
    Parameter("category", "Only records with this category of content, such as pii."),
    Parameter("masked", "Only records in which a value of this kind was masked, such as email; `any` for every kind."),
    Parameter("error", "Only records with this code of an error, such as upstream_timeout."),
    Parameter("text", "Only records with this id, the name of this thing, or these words in the reason."),
    Parameter("period", "Only the last 15m, 1h, 24h, 7d or 30d."),
    Parameter("since", "Only opened at or after this time."),
    Parameter("until", "Only opened before this time."),
    Parameter("roots", "Only calls, without their attempts.", "boolean"),
)

NAMES = frozenset(one.name for one in FILTERS)


def filters_of(request: Request, names: Names, *, now: datetime) -> RecordFilters:
    """Return the filters of a request.

    Args:
        names: to find people and keys by name.

    Raises:
        Invalid: a parameter is not valid.
    """
    outcome, kind = request.text("outcome"), request.text("kind")
    if outcome not in (None, _OPEN, *get_args(Outcome)):
        known = ", ".join((*get_args(Outcome), _OPEN))
        raise Invalid(f"outcome must be one of: {known}", param="outcome")
    if kind not in (None, *get_args(Kind)):
        raise Invalid(f"kind must be one of: {', '.join(get_args(Kind))}", param="kind")
    principal, key, text = request.text("principal"), request.text("key"), request.text("text")
    if text is not None and len(text) > MAX_TEXT_CHARS:
        raise Invalid(f"text must have at most {MAX_TEXT_CHARS} characters", param="text")
    people = () if principal is None else names.pseudonyms_of(principal)
    return RecordFilters(
        **{name: request.text(name) for name in _EXACT},
        kind=cast("Kind | None", kind),
        outcome=None if outcome == _OPEN else cast("Outcome | None", outcome),
        principal=None if people else principal,
        people=people or None,
        key=None if key is None else names.key_of(key),
        text=text or None,
        since=_moment(request, "since") or _beginning(request, now),
        until=_moment(request, "until"),
        is_open=outcome == _OPEN,
        is_first=request.switch("roots"),
    )


def told_filters(filters: RecordFilters) -> str:
    """Return the filters as a fact for a record, without a person's own words and ids."""
    told = {one.name: getattr(filters, one.name) for one in fields(filters) if one.name not in ("text", "principal")}
    words = [f"{name}={_word(value)}" for name, value in told.items() if value not in (None, False)]
    words += [name for name in ("text", "principal") if getattr(filters, name) is not None]
    return " ".join(words)


def _word(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return ",".join(value) if isinstance(value, tuple) else str(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - of texts


def _beginning(request: Request, now: datetime) -> datetime | None:
    period = request.text("period")
    if period is None:
        return None
    if period not in PERIODS:
        raise Invalid(f"period must be one of: {', '.join(PERIODS)}", param="period")
    return now - PERIODS[period]


def _moment(request: Request, name: str) -> datetime | None:
    text = request.text(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        # A time without a zone is ambiguous.
        if moment.tzinfo is None or moment.year < 1970:
            raise ValueError
        moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise Invalid("write an RFC 3339 time, such as 2027-03-01T09:00:00Z", param=name) from error
    return moment

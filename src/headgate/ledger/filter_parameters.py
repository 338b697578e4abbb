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
_MOST_VALUES = 4

_OPEN = "open"
_EXACT = ("use_case", "resource", "rule", "category", "model", "deployment", "error", "masked")

FILTERS = (
    Parameter("kind", "Only `calls`, or only `administration` with Headgate's own jobs; both without attempts."),
    Parameter("verb", "Only this verb, such as model.dispatch, or one of several, with commas between them."),
    Parameter("outcome", "Only this outcome, or one of several; `open` for records that are not closed."),
    Parameter("use_case", "Only this use case."),
    Parameter("resource", "Only this resource, such as deployment:local-chat."),
    Parameter("principal", "Only this person or program, by name, id or pseudonym."),
    Parameter("key", "Only calls with this key, by name or id."),
    Parameter("model", "Only calls of this model, by its alias."),
    Parameter("deployment", "Only calls that went to this deployment."),
    Parameter("rule", "Only records in which this rule matched, or this check refused, such as lattice.flow."),
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
    verbs, outcomes, kind = _several(request, "verb"), _several(request, "outcome"), request.text("kind")
    if outcomes != (_OPEN,) and not set(outcomes) <= set(get_args(Outcome)):
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
        verb=verbs[0] if len(verbs) == 1 else None,
        verbs=verbs if len(verbs) > 1 else None,
        outcome=cast("Outcome", outcomes[0]) if len(outcomes) == 1 and outcomes != (_OPEN,) else None,
        outcomes=cast("tuple[Outcome, ...]", outcomes) if len(outcomes) > 1 else None,
        principal=None if people else principal,
        people=people or None,
        key=None if key is None else names.key_of(key),
        text=text or None,
        since=_moment(request, "since") or _beginning(request, now),
        until=_moment(request, "until"),
        is_open=outcomes == (_OPEN,),
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


def _several(request: Request, name: str) -> tuple[str, ...]:
    """Return the different values of a parameter, which have commas between them. Each is a query of its own.

    Raises:
        Invalid: there are too many.
    """
    found = tuple(dict.fromkeys(filter(None, (request.text(name) or "").split(","))))
    if len(found) > _MOST_VALUES:
        raise Invalid(f"{name} takes at most {_MOST_VALUES} values", param=name)
    return found


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

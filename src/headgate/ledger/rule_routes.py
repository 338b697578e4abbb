"""Operations on the matches of rules in past records: how often, and what another mode would have changed."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Literal

from headgate.admin.bodies import Body
from headgate.admin.operations import Operation, Parameter
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.kernel.errors import Invalid
from headgate.ledger.names import names_for
from headgate.ledger.parts import Ledger
from headgate.ledger.reader import RecordFilters
from headgate.ledger.verbs import RECORD_LIST
from headgate.ledger.views import RecordView, record_view
from headgate.ledger.what_if import WhatIf

MOST_A_DAY = 300
"""Limit of the counted matches of one rule and day, so that the list takes the same time for any number of records."""

_MOST_RECORDS = 10_000
_PAGE = 500
_MOST_DAYS = 31
_DAYS = 30


class ExampleCall(Body, frozen=True, kw_only=True):
    """A past call that another mode of the rule would have changed."""

    difference: Literal["refused", "asked", "allowed", "more_duties", "fewer_duties"]
    record: RecordView


class RulePreview(Body, frozen=True, kw_only=True):
    """What another mode of a rule would have changed in the calls of one use case.

    `calls` counts the calls in which the rule matched. The other counts are calls that would have been refused, would
    have needed approval, would have been allowed, or would have had more or fewer duties, such as masking.
    `unmasked` counts the values by kind that would have been sent unmasked; null where the records do not tell.
    `models` are the models and destinations of all these calls.
    `is_complete` is false if there were too many records; then the newest ones count.
    """

    rule: str
    use_case: str
    mode: Literal["observe", "enforce"]
    since: datetime
    is_complete: bool
    calls: int
    refused: int
    asked: int
    allowed: int
    more_duties: int
    fewer_duties: int
    unmasked: dict[str, int] | None
    models: list[str]
    examples: list[ExampleCall]


class RuleMatches(Body, frozen=True, kw_only=True):
    """How many calls a rule matched, on each of the last 30 days, oldest first."""

    rule: str
    days: list[int]


class RuleMatchList(Body, frozen=True, kw_only=True):
    """The matches of the rules that matched at all, by id. Counting stops at `most_a_day` for each day."""

    matches: list[RuleMatches]
    most_a_day: int


async def preview_mode(ledger: Ledger, request: Request) -> RulePreview:
    """Count what another mode would have changed, over the last days."""
    request.authorise(RECORD_LIST, Resource("ledger", request.tenant))
    rule, use_case, mode = request.path["rule"], request.text("use_case"), request.text("mode")
    if use_case is None:
        raise Invalid("name the use case", param="use_case")
    if mode != "observe" and mode != "enforce":
        raise Invalid("mode must be observe or enforce", param="mode")
    days = request.number("days", 7)
    if not 1 <= days <= _MOST_DAYS:
        raise Invalid(f"days must be from 1 to {_MOST_DAYS}", param="days")
    since = ledger.clock.now() - timedelta(days=days)
    found, is_complete = WhatIf(rule, mode), False
    cursor: str | None = None
    for _ in range(_MOST_RECORDS // _PAGE):
        filters = RecordFilters(rule=rule, use_case=use_case, since=since)
        page = await ledger.reader.list_records(filters, tenant=request.tenant, cursor=cursor, limit=_PAGE)
        await asyncio.to_thread(found.add, page.records)
        cursor = page.cursor
        if cursor is None:
            is_complete = True
            break
    names = names_for(request, ledger.directory)
    return RulePreview(
        rule=rule,
        use_case=use_case,
        mode=mode,
        since=since,
        is_complete=is_complete,
        calls=found.calls,
        refused=found.count("refused"),
        asked=found.count("asked"),
        allowed=found.count("allowed"),
        more_duties=found.count("more_duties"),
        fewer_duties=found.count("fewer_duties"),
        unmasked=None if (unmasked := found.unmasked) is None else dict(unmasked),
        models=list(found.models),
        examples=[ExampleCall(difference=how, record=record_view(one, names)) for how, one in found.examples],
    )


async def list_matches(ledger: Ledger, request: Request) -> RuleMatchList:
    """Count the matches of every rule on each of the last 30 days."""
    request.authorise(RECORD_LIST, Resource("ledger", request.tenant))
    now = ledger.clock.now() + timedelta(seconds=1)
    moments = [now - timedelta(days=days) for days in range(_DAYS, -1, -1)]
    found = await ledger.reader.rule_matches(tenant=request.tenant, moments=moments, most=MOST_A_DAY)
    matches = [RuleMatches(rule=rule, days=list(counts)) for rule, counts in sorted(found.items())]
    return RuleMatchList(matches=matches, most_a_day=MOST_A_DAY)


OPERATIONS = (
    Operation(
        "previewRuleMode",
        "GET",
        "/api/rules/{rule}/preview",
        "What another mode of a rule would have changed in past calls.",
        preview_mode,
        answer=RulePreview,
        verb=RECORD_LIST,
        parameters=(
            Parameter("use_case", "The use case whose calls count; required."),
            Parameter("mode", "The mode to look at: observe or enforce; required."),
            Parameter("days", "How many days back, 1 to 31; 7 by default.", "integer"),
        ),
    ),
    Operation(
        "listRuleMatches",
        "GET",
        "/api/rules/matches",
        "How many calls each rule matched on each of the last 30 days.",
        list_matches,
        answer=RuleMatchList,
        verb=RECORD_LIST,
    ),
)

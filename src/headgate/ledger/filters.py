"""The filters of lists of records, and the database queries that they become."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from headgate.kernel.record import Outcome
from headgate.ledger import store
from headgate.ledger.marks import destination_mark, error_mark, masked_mark, word_marks
from headgate.substrate.clock import ulid_time

BUILT_IN = frozenset({"administration", "jobs"})
"""The use cases of `administration`; the queries name them too."""

_ULID_PREFIX = re.compile(r"[0-9A-HJKMNP-TV-Z]{10,26}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RecordFilters:
    """Filters of a list. None filters nothing; all others must match.

    Args:
        principal: the id of a principal, or its pseudonym.
        people: pseudonyms of people, one of whom must match; None for everybody. `verbs` and `outcomes` likewise.
        rule: the id of a rule that matched, including observing rules.
        category: a category of the input or output labels.
        since: only records from this time on; `until`: only before that time. Compares the time in the records' ids.
        is_open: only open records.
        is_first: only records without a parent: calls, not their attempts.
        kind: calls, or administration with Headgate's own jobs; both without attempts.
        key: the id of the key of the call.
        model: the alias that was asked for; `deployment`: the deployment that a call went to.
        error: the code of the error.
        masked: the kind of a masked value, such as `email`; `any` for every kind.
        text: an id or its beginning, the name of a thing, or words of the reason. Open records are left out.
    """

    verb: str | None = None
    outcome: Outcome | None = None
    use_case: str | None = None
    resource: str | None = None
    principal: str | None = None
    parent: str | None = None
    root: str | None = None
    rule: str | None = None
    category: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_open: bool = False
    is_first: bool = False
    people: tuple[str, ...] | None = None
    kind: store.Kind | None = None
    key: str | None = None
    model: str | None = None
    deployment: str | None = None
    error: str | None = None
    masked: str | None = None
    text: str | None = None
    verbs: tuple[str, ...] | None = None
    outcomes: tuple[Outcome, ...] | None = None


def query_of(
    filters: RecordFilters, *, cursor: str | None = None, pseudonym: Callable[[str], str]
) -> store.RecordQuery:
    """Return the query for all filters but `people`, `verbs`, `outcomes` and `text`."""
    principal = filters.principal
    if principal is not None and not principal.startswith("p_"):
        principal = pseudonym(principal)
    marks = _marks(filters)
    return store.RecordQuery(
        before=cursor,
        since=None if filters.since is None else ulid_floor(filters.since),
        until=None if filters.until is None else ulid_floor(filters.until),
        verb=filters.verb,
        outcome=filters.outcome,
        use_case=filters.use_case,
        resource=f"alias:{filters.model}" if filters.resource is None and filters.model else filters.resource,
        principal=principal,
        parent=filters.parent,
        root=filters.root,
        mark=marks[0] if marks else None,
        is_first=filters.is_first,
        key_id=filters.key,
        kind=filters.kind,
        also=tuple(marks[1:]),
    )


def alternatives(query: store.RecordQuery, filters: RecordFilters, *, kinds: Sequence[str]) -> list[store.RecordQuery]:
    """Return queries that together find the closed records that match. Each reads an index in the list's order.

    Args:
        query: of `query_of`.
        kinds: kinds of resources, for a search by name.
    """
    queries = [query]
    if query.resource is not None:
        # A call that was tried once is named after what was asked; this finds it by where it went.
        queries.append(_marked(replace(query, resource=None), destination_mark(query.resource)))
    if filters.people is not None:
        queries = [replace(one, principal=person) for one in queries for person in filters.people]
    if filters.verbs is not None:
        queries = [replace(one, verb=verb) for one in queries for verb in filters.verbs]
    if filters.outcomes is not None:
        queries = [replace(one, outcome=outcome) for one in queries for outcome in filters.outcomes]
    if filters.text is None:
        return queries
    return [found for one in queries for found in _searches(one, filters.text.strip(), kinds)]


def _searches(query: store.RecordQuery, text: str, kinds: Sequence[str]) -> list[store.RecordQuery]:
    if _ULID_PREFIX.fullmatch(text):
        since = max(text, query.since or "")
        # "Z" is the last character of the alphabet of ULIDs.
        return [replace(query, since=since, until=min(text + "Z" * (27 - len(text)), query.until or "~"))]
    words = word_marks(text)
    found = [_marked(query, *words)] if words else []
    if " " in text:
        return found
    if query.resource is None:
        named = [f"{kind}:{text}" for kind in kinds]
        found += [replace(query, resource=name) for name in named]
        found += [_marked(query, destination_mark(name)) for name in named]
    if query.use_case is None:
        found.append(replace(query, use_case=text))
    return found


def _marked(query: store.RecordQuery, *marks: str) -> store.RecordQuery:
    """Return the query with further marks. It begins with the first of them, which is the rarest."""
    first, *others = (*marks, *query.marks)
    return replace(query, mark=first, also=tuple(others))


def _marks(filters: RecordFilters) -> list[str]:
    """Return the marks to look for, the rarest kinds first."""
    wanted = (
        None if filters.error is None else error_mark(filters.error),
        None if filters.masked is None else masked_mark(filters.masked),
        None if filters.rule is None else f"rule:{filters.rule}",
        None if filters.category is None else f"category:{filters.category}",
        None if filters.deployment is None else destination_mark(f"deployment:{filters.deployment}"),
    )
    return [mark for mark in wanted if mark is not None]


def ulid_floor(moment: datetime) -> str:
    """Return the first ten characters of the ULIDs of a time. ULIDs of later times sort after them."""
    return ulid_time(max(0, int(moment.timestamp() * 1000)))

"""The tables of the schema `finops`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from headgate.finops.spread import Spread
from headgate.finops.tally import MEASURES, Facet, Grain, Measure, Series
from headgate.kernel.identity import TenantId
from headgate.substrate.database import Transaction, load_queries

_SQL = load_queries("headgate.finops")
_SERIES_COLUMNS = ("facets", "verbs", "use_cases", "people", "keys", "models", "deployments", "outcomes", "currencies")
_FORGET = ("forget_cells", "forget_amounts", "forget_durations", "forget_hits", "forget_reasons")
_DROP = ("drop_cells", "drop_amounts", "drop_series", "drop_durations", "drop_hits", "drop_reasons")

Dimension = Literal["verb", "use_case", "person", "key", "model", "deployment", "outcome"]
DIMENSIONS: Final[tuple[Dimension, ...]] = ("verb", "use_case", "person", "key", "model", "deployment", "outcome")

SeriesIds = dict[Series, int]
"""Ids of series of one edition."""


@dataclass(frozen=True, slots=True)
class Edition:
    """One complete count of a tenant's log, up to the cursor."""

    edition: int
    state: Literal["current", "building", "old"]
    cursor: str | None


async def lock(tx: Transaction, *, tenant: TenantId, waits: bool) -> bool:
    """Return whether this transaction is the one that counts the tenant's records. The lock ends with it."""
    if waits:
        await tx.execute(_SQL["wait_for_lock"], {"tenant": tenant})
        return True
    return bool(await tx.value(_SQL["lock"], {"tenant": tenant}))


async def editions(tx: Transaction, *, tenant: TenantId) -> list[Edition]:
    """Return the editions, oldest first."""
    return await tx.rows(_SQL["editions"], {"tenant": tenant}, of=Edition)


async def begin_edition(tx: Transaction, state: Literal["current", "building"], *, tenant: TenantId) -> bool:
    """Begin an edition, unless one of this state exists. Return whether it began."""
    return await tx.execute(_SQL["begin_edition"], {"tenant": tenant, "state": state}) == 1


async def move_cursor(tx: Transaction, edition: Edition, cursor: str, *, tenant: TenantId) -> None:
    """Note up to which record an edition has counted."""
    await tx.execute(_SQL["move_cursor"], {"tenant": tenant, "edition": edition.edition, "cursor": cursor})


async def promote(tx: Transaction, edition: Edition, *, tenant: TenantId) -> None:
    """Make an edition the current one."""
    await tx.execute(_SQL["retire_current"], {"tenant": tenant})
    await tx.execute(_SQL["promote"], {"tenant": tenant, "edition": edition.edition})


async def series_ids(tx: Transaction, series: Sequence[Series], edition: Edition, *, tenant: TenantId) -> SeriesIds:
    """Return the ids of series; new ones are added."""
    if not series:
        return {}
    columns = zip(*series, strict=True)
    values = {name: texts(column) for name, column in zip(_SERIES_COLUMNS, columns, strict=True)}
    ids: Any = await tx.value(_SQL["series_ids"], {"tenant": tenant, "edition": edition.edition, **values})
    return dict(zip(series, ids, strict=True))


async def add(tx: Transaction, rows: Spread, ids: SeriesIds, edition: Edition, *, tenant: TenantId) -> None:
    """Add the rows of a batch to those of an edition."""
    place = {"tenant": tenant, "edition": edition.edition}
    for grain, cells in rows.cells.items():
        if cells:
            await tx.execute(_SQL["add_cells"], {**place, "grain": grain, **_cells(cells, ids)})
    for grain, amounts in rows.amounts.items():
        named = [((at, str(ids[series]), unit), amount) for (at, (series, unit)), amount in amounts.items()]
        if named:
            await tx.execute(_SQL["add_amounts"], {**place, "grain": grain, **_amounts(named)})
    counted: tuple[tuple[str, Mapping[Grain, Mapping[Any, int]], tuple[str, ...], str], ...] = (
        ("add_durations", rows.durations, ("facets", "values", "measures", "slots"), "calls"),
        ("add_hits", rows.hits, ("use_cases", "rules", "does", "modes"), "hits"),
        ("add_reasons", rows.reasons, ("use_cases", "models", "outcomes", "errors", "rules"), "calls"),
    )
    for query, by_grain, names, count in counted:
        for grain, found in by_grain.items():
            if found:
                await tx.execute(_SQL[query], {**place, "grain": grain, **_counts(found, names, count)})
    if rows.words:
        words = {"tenant": tenant, "rules": texts(rows.words), "words": texts(rows.words.values())}
        await tx.execute(_SQL["put_words"], words)


async def forget(tx: Transaction, grain: Grain, *, before: datetime, tenant: TenantId, limit: int) -> bool:
    """Delete some rows of a grain that began before a time. Return whether there may be more."""
    values = {"tenant": tenant, "grain": grain, "before": before, "limit": limit}
    deleted = [await tx.execute(_SQL[query], values) for query in _FORGET]
    return max(deleted) >= limit


async def drop(tx: Transaction, edition: Edition, *, tenant: TenantId, limit: int) -> bool:
    """Delete some rows of an old edition, and the edition after its last row. Return whether there may be more."""
    values = {"tenant": tenant, "edition": edition.edition, "limit": limit}
    deleted = [await tx.execute(_SQL[query], values) for query in _DROP]
    if max(deleted) > 0:
        return True
    await tx.execute(_SQL["drop_edition"], values)
    return False


def _cells(cells: Mapping[tuple[str, Series], list[int]], ids: SeriesIds) -> dict[str, str]:
    columns = zip(*cells.values(), strict=True)
    sums = {name: numbers(column) for name, column in zip(MEASURES, columns, strict=True)}
    return {"series": numbers(ids[series] for _, series in cells), "ats": _plain(at for at, _ in cells), **sums}


def _amounts(named: Sequence[tuple[tuple[str, str, str], int]]) -> dict[str, str]:
    return {
        "ats": _plain(at for (at, _, _), _ in named),
        "series": _plain(series for (_, series, _), _ in named),
        "units": texts(unit for (_, _, unit), _ in named),
        "amounts": numbers(amount for _, amount in named),
    }


def _counts(found: Mapping[tuple[str, Any], int], names: Sequence[str], count: str) -> dict[str, str]:
    columns = zip(*(key for _, key in found), strict=True)
    named = {name: texts(map(str, column)) for name, column in zip(names, columns, strict=True)}
    return {**named, "ats": _plain(at for at, _ in found), count: numbers(found.values())}


def texts(values: Iterable[str]) -> str:
    """Format an array literal: psycopg takes much longer for a list."""
    quoted = '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return f'{{"{quoted}"}}'


def numbers(values: Iterable[int]) -> str:
    """Format an array literal of numbers."""
    return _plain(map(str, values))


def _plain(values: Iterable[str]) -> str:
    """Format an array literal of texts that need no quotes, such as times."""
    return f"{{{','.join(values)}}}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about sums: a facet, a time, dimensions to group by, and values to filter by.

    Args:
        step_s: length of the buckets of time; 0 for the whole time.
        by: names of dimensions.
        where: values by name of the dimension.
    """

    facet: Facet
    grain: Grain
    since: datetime
    until: datetime
    by: Collection[Dimension] = ()
    where: Mapping[Dimension, str] = field(default_factory=dict[Dimension, str])
    step_s: int = 0
    limit: int = 20_000


@dataclass(frozen=True, slots=True)
class Sum:
    """Sums of one group in one currency. Dimensions that are not grouped by are None."""

    at: datetime | None
    verb: str | None
    use_case: str | None
    person: str | None
    key: str | None
    model: str | None
    deployment: str | None
    outcome: str | None
    currency: str
    calls: int
    done: int
    refused: int
    failed: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_micros: int
    unpriced: int
    masked: int


@dataclass(frozen=True, slots=True)
class Slot:
    """How many calls took a time in a slot."""

    at: datetime | None
    value: str
    measure: Measure
    slot: int
    calls: int


@dataclass(frozen=True, slots=True)
class RuleHits:
    """How often a rule matched."""

    rule: str
    mode: str
    does: str
    use_case: str | None
    hits: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many calls did not end well for one reason; `words` are the rule's."""

    outcome: str
    error: str
    rule: str
    words: str | None
    calls: int


async def begin_reading(tx: Transaction) -> None:
    """Have PostgreSQL plan the queries of this transaction for their values, because most filters are NULL."""
    await tx.execute(_SQL["plan_for_these_values"])


async def sums(tx: Transaction, asked: Asked, *, tenant: TenantId) -> list[Sum]:
    """Return sums, the groups with most calls first."""
    grouped = {f"by_{name}": name in asked.by for name in DIMENSIONS}
    filtered = {name: asked.where.get(name) for name in DIMENSIONS}
    values = {**_when(asked, tenant), **grouped, **filtered, "facet": asked.facet, "step_s": asked.step_s}
    return await tx.rows(_SQL["sums"], {**values, "limit": asked.limit}, of=Sum)


async def slots(tx: Transaction, asked: Asked, *, value: str | None, tenant: TenantId) -> list[Slot]:
    """Return the histograms of durations under a facet, or under one value of it."""
    values = {**_when(asked, tenant), "facet": asked.facet, "step_s": asked.step_s, "value": value}
    return await tx.rows(_SQL["slots"], values, of=Slot)


async def hits(
    tx: Transaction, asked: Asked, *, rule: str | None, use_case: str | None, by_use_case: bool, tenant: TenantId
) -> list[RuleHits]:
    """Return the hits of rules, most first."""
    values = {**_when(asked, tenant), "rule": rule, "use_case": use_case, "by_use_case": by_use_case}
    return await tx.rows(_SQL["hits"], {**values, "limit": asked.limit}, of=RuleHits)


async def reasons(tx: Transaction, asked: Asked, *, tenant: TenantId) -> list[ReasonCount]:
    """Return the reasons of calls that did not end well, most calls first."""
    filtered = {name: asked.where.get(name) for name in ("use_case", "model", "outcome")}
    return await tx.rows(_SQL["reasons"], {**_when(asked, tenant), **filtered, "limit": asked.limit}, of=ReasonCount)


def _when(asked: Asked, tenant: TenantId) -> dict[str, Any]:
    return {"tenant": tenant, "grain": asked.grain, "since": asked.since, "until": asked.until}

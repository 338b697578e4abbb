"""The tables of the schema `finops`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from headgate.finops.spread import Rows, Spread
from headgate.finops.tally import MEASURES, Facet, Grain, Hit, Measure, Reason, Series, Sums, Timed
from headgate.kernel.identity import TenantId
from headgate.substrate.database import Transaction, load_queries

_SQL = load_queries("headgate.finops")
_SERIES_COLUMNS = ("facets", "verbs", "use_cases", "people", "keys", "models", "deployments", "outcomes", "currencies")
_FORGET = ("forget_cells", "forget_amounts", "forget_durations", "forget_hits", "forget_reasons")
_DROP = ("drop_cells", "drop_amounts", "drop_series", "drop_durations", "drop_hits", "drop_reasons")

Dimension = Literal["verb", "use_case", "person", "key", "model", "deployment", "outcome"]
DIMENSIONS: Final[tuple[Dimension, ...]] = ("verb", "use_case", "person", "key", "model", "deployment", "outcome")


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


async def series_ids(
    tx: Transaction, series: Sequence[Series], edition: Edition, *, tenant: TenantId
) -> dict[Series, int]:
    """Return the ids of series; new ones are added."""
    if not series:
        return {}
    columns = zip(*series, strict=True)
    values = {name: texts(column) for name, column in zip(_SERIES_COLUMNS, columns, strict=True)}
    ids: Any = await tx.value(_SQL["series_ids"], {"tenant": tenant, "edition": edition.edition, **values})
    return dict(zip(series, ids, strict=True))


async def add(tx: Transaction, rows: Spread, edition: Edition, *, tenant: TenantId) -> None:
    """Add the rows of a batch to those of an edition."""
    place = {"tenant": tenant, "edition": edition.edition}
    tables: tuple[tuple[str, Rows[Any, Any], Callable[[Collection[Any], Collection[Any]], Mapping[str, str]]], ...] = (
        ("add_cells", rows.cells, _cells),
        ("add_amounts", rows.amounts, _amounts),
        ("add_durations", rows.durations, _durations),
        ("add_hits", rows.hits, _hits),
        ("add_reasons", rows.reasons, _reasons),
    )
    for query, by_grain, columns in tables:
        parts = _parts(by_grain)
        if parts.rows:
            keys = [key for part in parts.rows for key in part]
            values = [value for part in parts.rows for value in part.values()]
            await tx.execute(_SQL[query], {**place, **parts.spans, **columns(keys, values)})
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


class _Parts(NamedTuple):
    """Rows without those that several spans share, and in which spans each part of them belongs."""

    rows: Sequence[Mapping[Any, Any]]
    spans: Mapping[str, str]


def _parts(by_grain: Rows[Any, Any]) -> _Parts:
    """Number the distinct mappings of rows. A batch of one minute is sent once for its minute, hour and day."""
    spans = [(grain, at, rows) for grain, spans in by_grain.items() for at, rows in spans.items()]
    parts = {id(rows): rows for _, _, rows in spans}
    numbers_of = {known: number for number, known in enumerate(parts)}
    values = {
        "parts": numbers(numbers_of[id(rows)] for _, _, rows in spans),
        "grains": _plain(grain for grain, _, _ in spans),
        "ats": _plain(at for _, at, _ in spans),
        "part": numbers(number for number, rows in enumerate(parts.values()) for _ in rows),
    }
    return _Parts(list(parts.values()), values)


def _cells(keys: Collection[int], values: Collection[Sums]) -> Mapping[str, str]:
    sums = {name: numbers(column) for name, column in zip(MEASURES, zip(*values, strict=True), strict=True)}
    return {"series": numbers(keys), **sums}


def _amounts(keys: Collection[tuple[int, str]], values: Collection[int]) -> Mapping[str, str]:
    series, units = zip(*keys, strict=True)
    return {"series": numbers(series), "units": texts(units), "amounts": numbers(values)}


def _durations(keys: Collection[Timed], values: Collection[int]) -> Mapping[str, str]:
    facets, names, measures, slots = zip(*keys, strict=True)
    return {
        "facets": _plain(facets),
        "values": texts(names),
        "measures": _plain(measures),
        "slots": numbers(slots),
        "calls": numbers(values),
    }


def _hits(keys: Collection[Hit], values: Collection[int]) -> Mapping[str, str]:
    return {**_texts(("use_cases", "rules", "does", "modes"), keys), "hits": numbers(values)}


def _reasons(keys: Collection[Reason], values: Collection[int]) -> Mapping[str, str]:
    return {**_texts(("use_cases", "models", "outcomes", "errors", "rules"), keys), "calls": numbers(values)}


def _texts(names: Collection[str], keys: Collection[tuple[str, ...]]) -> dict[str, str]:
    return {name: texts(column) for name, column in zip(names, zip(*keys, strict=True), strict=True)}


def texts(values: Iterable[str]) -> str:
    """Format an array literal: psycopg takes much longer for a list."""
    return _plain(map(_quoted, values))


@lru_cache(maxsize=16_384)
def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def numbers(values: Iterable[int]) -> str:
    """Format an array literal of numbers."""
    return f"{{{str(list(values))[1:-1]}}}"


def _plain(values: Iterable[str]) -> str:
    """Format an array literal of texts that need no quotes, such as times."""
    return f"{{{','.join(values)}}}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about sums: facets, a time, dimensions to group by, and values to filter by.

    Args:
        facets: each gets groups of its own.
        step_s: length of the buckets of time; 0 for the whole time.
        by: names of dimensions.
        where: values by name of the dimension.
    """

    facets: Collection[Facet]
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

    facet: Facet
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
class Saved:
    """Answers of a model from the gateway's cache, and what they saved in one currency."""

    model: str
    currency: str
    hits: int
    saved_micros: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many calls took a time in each slot."""

    facet: Facet
    at: datetime | None
    value: str
    measure: Measure
    slots: list[int]
    calls: list[int]


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


async def begin_reading(tx: Transaction, *, is_narrow: bool) -> None:
    """Have PostgreSQL plan the queries of this transaction for their values, because most filters are NULL.

    Args:
        is_narrow: the transaction does not read the facet `each`.
    """
    await tx.execute(_SQL["plan_for_these_values"])
    if is_narrow:
        await tx.execute(_SQL["prefer_indexes"])


async def sums(tx: Transaction, asked: Asked, *, tenant: TenantId) -> list[Sum]:
    """Return sums, the groups with most calls first."""
    grouped = {f"by_{name}": name in asked.by for name in DIMENSIONS}
    filtered = {name: asked.where.get(name) for name in DIMENSIONS}
    values = {**_when(asked, tenant), **grouped, **filtered, "facets": texts(asked.facets), "step_s": asked.step_s}
    return await tx.rows(_SQL["sums"], {**values, "limit": asked.limit}, of=Sum)


async def savings(tx: Transaction, asked: Asked, *, tenant: TenantId) -> list[Saved]:
    """Return what the cache saved, by model and currency."""
    filtered = {name: asked.where.get(name) for name in DIMENSIONS}
    return await tx.rows(_SQL["savings"], {**_when(asked, tenant), **filtered}, of=Saved)


async def histograms(tx: Transaction, asked: Asked, *, value: str | None, tenant: TenantId) -> list[Histogram]:
    """Return the histograms of durations under facets, or under one value of them."""
    values = {**_when(asked, tenant), "facets": texts(asked.facets), "step_s": asked.step_s, "value": value}
    return await tx.rows(_SQL["histograms"], values, of=Histogram)


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

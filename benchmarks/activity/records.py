"""Records as an organisation makes them in three months, from a seed, and put where the shipper puts them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import psycopg

from headgate.ledger import store
from headgate.ledger.leaves import Leaf, LeafLabels, LeafRule, encode_leaf
from headgate.substrate.clock import format_ulid, ulid_time
from headgate.substrate.database import Database, PoolLimits
from headgate.testing.postgres import TemporaryDatabase

BIG, SMALL = "default", "other"
DAYS = 90
RARE_RULE, RARE_CASE, RARE_OUTCOME = "block-export", "case-rare", "in_doubt"
ATTEMPTS_RULE = "mask-personal-data"
"""A rule that only attempts meet."""

HALVES = ("case-morning", "case-evening")
"""Two use cases and a principal each that never meet: a pair of filters that are common alone and match nothing."""

_RARE_EVERY = 100_000
_BATCH = 2_000
_MODELS = ("local-chat", "small", "smart", "embed", "claude", "hybrid")
_DEPLOYMENTS = ("local-chat", "gpt-small", "gpt-large", "embedder", "claude-large", "gpt-eu")
_ADMINISTRATION = ("key.create", "record.reveal", "use_case.put", "config.apply", "record.list")
_OUTCOMES = ("done", "refused", "failed", "abandoned", "interrupted")
_OUTCOME_WEIGHTS = (955, 20, 18, 5, 2)
_ERRORS = {"refused": "denied", "failed": "upstream", "abandoned": "client_gone", "interrupted": "interrupted"}
_CATEGORIES = ((), ("pii",), ("pci", "pii"), ("secret",), ("phi", "pii"))
_CATEGORY_WEIGHTS = (800, 150, 20, 5, 25)


@dataclass(frozen=True, slots=True)
class Organisation:
    """A tenant whose people and programs make records; the same for the same seed."""

    tenant: str
    seed: int
    people: int = 400
    use_cases: int = 24
    rules: int = 30

    def principals(self) -> list[str]:
        """The pseudonyms of everybody who calls, the busiest first."""
        return [f"p_{self.tenant}{number:0>20}" for number in range(self.people)]

    def cases(self) -> list[str]:
        """The use cases, the busiest first."""
        return [f"case-{number:02}" for number in range(self.use_cases)]

    def leaves(self, count: int, *, until: datetime) -> Iterator[Leaf]:
        """So many records, oldest first, from `DAYS` before `until` on."""
        rng = random.Random(self.seed)
        principals, cases = self.principals(), self.cases()
        rules = [f"rule-{number:02}" for number in range(self.rules)]
        person_weights, case_weights, rule_weights = _zipf(len(principals)), _zipf(len(cases)), _zipf(len(rules))
        began_ms, span_ms = int((until - timedelta(days=DAYS)).timestamp() * 1000), DAYS * 86_400_000
        number, chain = 0, list[Leaf]()
        while number < count:
            at_ms = began_ms + span_ms * number // count
            rare = number // _RARE_EVERY != (number + 4) // _RARE_EVERY
            case, principal = rng.choices(cases, case_weights)[0], rng.choices(principals, person_weights)[0]
            if rng.random() < 0.02:
                half = rng.randrange(2)
                case, principal = HALVES[half], principals[half]
            hits = {rng.choices(rules, rule_weights)[0] for _ in range(rng.randint(1, 3))}
            chain = list(
                self._chain(
                    rng,
                    at_ms=at_ms,
                    use_case=RARE_CASE if rare else case,
                    principal=principal,
                    rules=sorted(hits | ({RARE_RULE} if rare else set())),
                    outcome=RARE_OUTCOME if rare else rng.choices(_OUTCOMES, _OUTCOME_WEIGHTS)[0],
                )
            )
            yield from chain[: count - number]
            number += len(chain)

    def _chain(
        self, rng: random.Random, *, at_ms: int, use_case: str, principal: str, rules: list[str], outcome: str
    ) -> Iterator[Leaf]:
        """A call with its attempts, or now and then an act of administration; first ones last, as they are closed."""
        model = rng.choices(range(len(_MODELS)), (30, 25, 20, 15, 6, 4))[0]
        is_administration = rng.random() < 0.03
        root, labels = _ulid(at_ms, rng), LeafLabels(categories=rng.choices(_CATEGORIES, _CATEGORY_WEIGHTS)[0])
        took_us = int(rng.lognormvariate(13, 1))

        def leaf(record: str, verb: str, resource: str, *, parent: str | None = None, ends: str = outcome) -> Leaf:
            met = [*rules, ATTEMPTS_RULE] if parent and "pii" in labels.categories else rules
            opened = datetime.fromtimestamp(at_ms / 1000, UTC)
            return Leaf(
                v=1,
                id=record,
                tenant=self.tenant,
                parent=parent,
                root=parent,
                opened_at=opened.isoformat(timespec="microseconds"),
                closed_at=(opened + timedelta(microseconds=took_us)).isoformat(timespec="microseconds"),
                verb=verb,
                principal=principal,
                key_id=f"k{principal[-10:]}",
                use_case=use_case,
                resource=resource,
                effect="deny" if ends == "refused" else "allow",
                would="deny" if ends == "refused" else "allow",
                rules=tuple(LeafRule(rule, "allow", "enforce", "because it is so in this benchmark") for rule in met),
                policy_version="baseline-1+51095dd4424f",
                labels=labels,
                output_labels=labels,
                outcome=ends,
                error=_ERRORS.get(ends),
                duration_us=took_us,
                closing_facts={"input_tokens": 312, "output_tokens": 128, "cost_micros": 440, "currency": "USD"},
            )

        if is_administration:
            yield leaf(root, rng.choice(_ADMINISTRATION), "tenant:" + self.tenant)
            return
        attempts = 0 if outcome == "refused" else rng.choices((1, 2, 3), (92, 6, 2))[0]
        for attempt in range(attempts):
            ends = outcome if attempt == attempts - 1 else "failed"
            resource = "deployment:" + _DEPLOYMENTS[(model + attempt) % len(_DEPLOYMENTS)]
            yield leaf(_ulid(at_ms + 1 + attempt, rng), "model.dispatch", resource, parent=root, ends=ends)
        yield leaf(root, "model.invoke", "alias:" + _MODELS[model])


async def fill(database: TemporaryDatabase, organisations: dict[Organisation, int], *, until: datetime) -> None:
    """Put records into the database as the shipper does, and into logs without their files.

    The tenants' records lie among each other as they would. What a sequencer would do is one statement here.
    """
    _prepare_months(database, until=until)
    sources = [
        (count, organisation.leaves(count, until=until)) for organisation, count in organisations.items() if count
    ]
    largest = max(count for count, _ in sources)
    async with Database(database.login["headgate_writer"], limits=PoolLimits(statement_s=60)) as writer:
        for _ in range(0, largest, _BATCH):
            closed: list[bytes] = []
            for count, leaves in sources:
                some = islice(leaves, max(1, _BATCH * count // largest))
                closed += map(encode_leaf, some)
            async with writer.transaction(tenant=None) as tx:
                await store.close(tx, closed, may_be_there=False)
    _sequence(database)


def _prepare_months(database: TemporaryDatabase, *, until: datetime) -> None:
    """Make the partitions of the months that are over as the shipper made them when they began, and of the next two."""
    with psycopg.connect(database.owner.conninfo, autocommit=True) as connection:
        month = (until - timedelta(days=DAYS)).astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        while (month.year, month.month) < (until.year, until.month):
            following = (month + timedelta(days=32)).replace(day=1)
            for parent in ("records", "marks", "parts"):
                connection.execute(
                    f"CREATE TABLE ledger.{parent}_{month:%Y_%m} PARTITION OF ledger.{parent}"
                    f" FOR VALUES FROM ('{_floor(month)}') TO ('{_floor(following)}')".encode()
                )
            month = following
        connection.execute("SELECT ledger.prepare_months()")


def _sequence(database: TemporaryDatabase) -> None:
    with psycopg.connect(database.owner.conninfo, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO ledger.leaves (tenant, leaf_index, id)"
            " SELECT tenant, row_number() OVER (PARTITION BY tenant ORDER BY arrival) - 1, id FROM ledger.pending"
        )
        connection.execute(
            "INSERT INTO ledger.logs (tenant, origin, size, root, frontier)"
            " SELECT tenant, 'benchmark/' || tenant, count(*), '', '' FROM ledger.leaves GROUP BY tenant"
        )
        connection.execute("TRUNCATE ledger.pending")
        # What autovacuum has long done to records of three months. It never looks at partitioned tables themselves.
        found = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'ledger'::regnamespace AND relkind = 'r'"
        )
        for (name,) in found.fetchall():
            connection.execute(f"VACUUM (ANALYZE) {name}".encode())


def _floor(moment: datetime) -> str:
    return ulid_time(int(moment.timestamp() * 1000))


def _ulid(at_ms: int, rng: random.Random) -> str:
    return format_ulid(at_ms << 80 | rng.getrandbits(80))


def _zipf(count: int) -> list[float]:
    return [1 / (rank + 1) for rank in range(count)]

"""Reading records: lists that stay fast, one record with its children and its content, and the feed."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from headgate.admin.records import Forget
from headgate.kernel.decision import RuleHit
from headgate.kernel.errors import Corrupt, Invalid, NotFound
from headgate.kernel.identity import Principal, RecordId, TenantId
from headgate.kernel.labels import EVERYTHING, Confidentiality, Labels
from headgate.kernel.record import Closing, Opening
from headgate.ledger import store
from headgate.ledger.counting import Counts, grid_of
from headgate.ledger.filters import RecordFilters, ulid_floor
from headgate.ledger.keys import FileKeyRing, KeysOnDemand
from headgate.ledger.leaves import LeafLabels, kernel_labels
from headgate.ledger.parts import Forgetting
from headgate.ledger.pseudonyms import Pseudonymiser
from headgate.ledger.reader import LedgerReader
from headgate.ledger.recorder import JournalRecorder
from headgate.ledger.seal import Sealer
from headgate.ledger.sequencer import Sequencer, SequencerSetup
from headgate.ledger.shipper import Shipper
from headgate.ledger.store import Counted, RecordQuery
from headgate.substrate.clock import SystemClock, SystemIds
from headgate.substrate.database import Database, load_queries
from headgate.substrate.journal import Journal
from headgate.testing.postgres import TemporaryDatabase

ACME = TenantId("acme")
IDS = SystemIds()
PSEUDONYMS = Pseudonymiser(b"s" * 32)
NOW = datetime.now(UTC)
PII = frozenset({"pii"})


class Office:
    """All that writes and reads, over one database."""

    def __init__(self, root: Path, database: TemporaryDatabase) -> None:
        self.ring = FileKeyRing(root / "keys")
        self.journal = Journal(root / "journal" / "worker")
        self.recorder = JournalRecorder(
            self.journal, sealer=Sealer(KeysOnDemand(self.ring, clock=SystemClock())), pseudonyms=PSEUDONYMS
        )
        self.app, self.writer, self.sequencing, self.owner = (
            Database(address)
            for address in (
                database.login["headgate_app"],
                database.login["headgate_writer"],
                database.login["headgate_sequencer"],
                database.owner,
            )
        )
        self.shipper = Shipper(self.writer, root=root / "journal", clock=SystemClock())
        self.sequencer = Sequencer(self.sequencing, setup=SequencerSetup(root / "ledger", root / "secrets"))
        self.reader = LedgerReader(self.app, sealer=Sealer(self.ring), pseudonyms=PSEUDONYMS)

    async def ship(self) -> None:
        await self.shipper.drain()
        await self.sequencer.catch_up()

    def open(self, **changes: Any) -> Opening:
        plain = Opening(RecordId(IDS.ulid()), ACME, NOW, "model.dispatch", "alice", "chat", "d:1", "allow", "allow")
        opening = plain._replace(**changes)
        self.recorder.open(opening)
        return opening

    def close(self, opening: Opening, **changes: Any) -> str:
        self.recorder.close(Closing(opening.id, opening.tenant, NOW, "done")._replace(**changes))
        return opening.id


@pytest.fixture
async def office(fresh_database: TemporaryDatabase, tmp_path: Path) -> AsyncGenerator[Office]:
    office = Office(tmp_path, fresh_database)
    async with office.app, office.writer, office.sequencing, office.owner:
        yield office
        await office.journal.aclose()


async def test_a_list_is_newest_first_paged_by_key_and_holds_what_is_open(office: Office) -> None:
    ids: list[str] = [office.close(office.open()) for _ in range(25)]
    running = office.open()
    await office.ship()
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = await office.reader.list_records(tenant=ACME, cursor=cursor, limit=10)
        seen += [record.id for record in page.records]
        cursor = page.cursor
    assert cursor is None
    assert seen == [running.id, *reversed(ids)]
    first = (await office.reader.list_records(tenant=ACME, limit=2)).records
    assert [(record.outcome, record.leaf_index, record.duration_us) for record in first] == [
        (None, None, None),
        ("done", 24, 0),
    ]


async def test_first_records_are_found_by_the_rules_that_their_attempts_met(office: Office) -> None:
    call = office.open()
    attempt = office.open(parent=call.id, root=call.id, rules=(RuleHit("r.mask", "duty", "enforce", ""),))
    office.close(attempt)
    office.close(call)
    office.close(office.open())
    await office.ship()
    first = await office.reader.list_records(RecordFilters(rule="r.mask", is_first=True), tenant=ACME)
    every = await office.reader.list_records(RecordFilters(rule="r.mask"), tenant=ACME)
    assert [record.id for record in first.records] == [call.id]
    assert [record.id for record in every.records] == [attempt.id]


@pytest.mark.parametrize("ships_between", [False, True])
async def test_a_rule_that_a_record_and_its_attempts_met_finds_each_of_them_once(
    office: Office, ships_between: bool
) -> None:
    rules = (RuleHit("r.mask", "duty", "enforce", ""),)
    call = office.open(rules=rules)
    attempts = [office.open(parent=call.id, root=call.id, rules=rules) for _ in range(2)]
    for attempt in attempts:
        office.close(attempt)
        if ships_between:
            await office.ship()
    office.close(call)
    await office.ship()
    first = await office.reader.list_records(RecordFilters(rule="r.mask", is_first=True), tenant=ACME)
    every = await office.reader.list_records(RecordFilters(rule="r.mask"), tenant=ACME)
    assert [record.id for record in first.records] == [call.id]
    assert [record.id for record in every.records] == [attempts[1].id, attempts[0].id, call.id]


async def test_each_filter_finds_its_records_and_no_others(office: Office) -> None:
    marked = office.open(
        verb="tool.call",
        use_case="claims",
        resource="tool:mail",
        principal="bob",
        parent=RecordId("01PARENT"),
        root=RecordId("01ROOT"),
        rules=(RuleHit("r.mail", "duty", "observe", ""),),
        labels=Labels(categories=frozenset({"pii"})),
    )
    wanted = office.close(marked, outcome="failed", error="upstream_error")
    for _ in range(3):
        office.close(office.open())
    office.open(verb="tool.other", rules=(RuleHit("r.open", "duty", "observe", ""),))
    await office.ship()
    for filters in (
        RecordFilters(verb="tool.call"),
        RecordFilters(outcome="failed"),
        RecordFilters(use_case="claims"),
        RecordFilters(resource="tool:mail"),
        RecordFilters(principal="bob"),
        RecordFilters(principal=PSEUDONYMS("acme", "bob")),
        RecordFilters(parent="01PARENT"),
        RecordFilters(root="01ROOT"),
        RecordFilters(rule="r.mail"),
        RecordFilters(category="pii"),
        RecordFilters(category="pii", verb="tool.call", outcome="failed"),
        RecordFilters(category="pii", rule="r.mail", error="upstream_error"),
    ):
        page = await office.reader.list_records(filters, tenant=ACME)
        assert [record.id for record in page.records] == [wanted], filters
    for filters, count in (
        (RecordFilters(verb="tool.other"), 1),
        (RecordFilters(rule="r.open"), 1),
        (RecordFilters(verb="tool.other", outcome="done"), 0),
        (RecordFilters(rule="r.mail", verb="model.dispatch"), 0),
        (RecordFilters(is_open=True), 1),
        (RecordFilters(is_open=True, rule="r.mail"), 0),
        (RecordFilters(is_first=True), 4),
        (RecordFilters(is_first=True, is_open=True), 1),
        (RecordFilters(is_first=True, verb="tool.call"), 0),
        (RecordFilters(is_first=True, rule="r.mail"), 0),
        (RecordFilters(since=NOW - timedelta(hours=1), until=NOW + timedelta(hours=1)), 5),
        (RecordFilters(since=NOW + timedelta(hours=1)), 0),
        (RecordFilters(until=NOW - timedelta(hours=1)), 0),
    ):
        assert len((await office.reader.list_records(filters, tenant=ACME)).records) == count, filters


async def test_a_record_comes_with_its_children_and_is_nobody_elses(office: Office) -> None:
    parent = office.open(verb="model.invoke")
    children = [office.close(office.open(parent=parent.id, root=parent.id)) for _ in range(2)]
    children.append(office.open(parent=parent.id).id)
    office.close(parent, facts={"attempts": 3})
    await office.ship()
    family = await office.reader.get_record(parent.id, tenant=ACME)
    assert [child.id for child in family.children] == children
    assert (family.record.outcome, family.record.facts) == ("done", {"attempts": 3})
    assert family.record.principal == PSEUDONYMS("acme", "alice")
    with pytest.raises(NotFound):
        await office.reader.get_record(parent.id, tenant=TenantId("umbrella"))
    told = await office.reader.get(parent.id, tenant=ACME)
    assert (told["id"], told["verb"], told["closing_facts"]) == (parent.id, "model.invoke", {"attempts": 3})
    with pytest.raises(NotFound):
        await office.reader.get(RecordId("01NOTHING"), tenant=ACME)


async def test_parts_open_until_their_key_is_destroyed(office: Office) -> None:
    opening = office.open(parts={"sent": b"the prompt"})
    office.close(opening, parts={"answer": b"the answer"})
    await office.ship()
    parts = await office.reader.open_parts(opening.id, tenant=ACME)
    assert [(part.name, part.state, part.text) for part in parts] == [
        ("answer", "open", b"the answer"),
        ("sent", "open", b"the prompt"),
    ]
    async with office.owner.transaction(tenant=None) as tx:
        await tx.execute("UPDATE ledger.parts SET envelope = envelope || '\\x00' WHERE name = 'answer'")
        await tx.execute("DELETE FROM ledger.parts WHERE name = 'sent'")
    parts = await office.reader.open_parts(opening.id, tenant=ACME)
    assert [(part.state, part.text) for part in parts] == [("damaged", None), ("missing", None)]


async def test_a_part_whose_key_was_destroyed_is_told_as_erased(office: Office) -> None:
    opening = office.open(parts={"sent": b"the prompt"})
    office.close(opening)
    await office.ship()
    office.ring.destroy(f"acme.{NOW:%Y-%m-%d}", at=NOW)
    (part,) = await office.reader.open_parts(opening.id, tenant=ACME)
    assert (part.name, part.state, part.text) == ("sent", "erased", None)


async def test_a_part_is_shown_under_the_labels_of_its_direction(office: Office) -> None:
    went_in, came_out = Labels(confidentiality=Confidentiality.RESTRICTED, categories=PII), Labels(as_of=NOW)
    answered = office.open(labels=went_in, parts={"sent": b"question"})
    office.close(answered, labels=came_out, parts={"answer": b"text"})
    await office.ship()
    record = (await office.reader.get_record(answered.id, tenant=ACME)).record
    assert record.labels_of("sent") == record.labels_of("anything else") == went_in
    assert record.labels_of("answer") == came_out


async def test_where_labels_are_not_whole_a_part_is_for_those_who_may_see_everything(office: Office) -> None:
    running = office.open(labels=Labels(categories=PII), parts={"sent": b"question"})
    await office.ship()
    record = (await office.reader.get_record(running.id, tenant=ACME)).record
    all_known = replace(EVERYTHING, categories=PII, access=frozenset({"hr"}))
    cut = replace(record, is_cut=True)
    for labels in (record.labels_of("answer"), cut.labels_of("sent")):
        assert labels.flows_to(EVERYTHING)
        assert not labels.flows_to(all_known)
        assert labels.categories > PII
    assert record.labels_of("sent").flows_to(all_known)


def test_labels_that_no_version_wrote_are_said_to_be_none() -> None:
    with pytest.raises(Corrupt, match="invalid labels"):
        kernel_labels(LeafLabels(confidentiality="cosmic"))


async def test_the_feed_gives_every_closed_record_in_the_order_of_the_log(office: Office) -> None:
    first = office.open()
    ids = [office.close(office.open()) for _ in range(7)]
    office.open()
    await office.ship()
    page = await office.reader.after(None, tenant=ACME, limit=5)
    assert [record["id"] for record in page.records] == ids[:5]
    ids.append(office.close(first))
    await office.ship()
    page = await office.reader.after(page.cursor, tenant=ACME, limit=5)
    assert [(record["id"], record["leaf_index"]) for record in page.records] == [(ids[5], 5), (ids[6], 6), (ids[7], 7)]
    assert (await office.reader.after(page.cursor, tenant=ACME, limit=5)).cursor is None
    head = await office.reader.log_head(tenant=ACME)
    assert head is not None
    assert head.size == 8
    assert await office.reader.log_head(tenant=TenantId("umbrella")) is None


@pytest.mark.parametrize("cursor", ["", "x", "01KAM1V2P0000000000000000", "'; --", "-1", "9" * 30])
async def test_a_cursor_that_is_none_is_refused(office: Office, cursor: str) -> None:
    with pytest.raises(Invalid):
        await office.reader.list_records(tenant=ACME, cursor=cursor)
    with pytest.raises(Invalid):
        await office.reader.after(cursor or "?", tenant=ACME, limit=1)


async def test_a_list_takes_a_sane_limit(office: Office) -> None:
    for limit in (0, 501):
        with pytest.raises(Invalid):
            await office.reader.list_records(tenant=ACME, limit=limit)


SEED = """
    INSERT INTO ledger.records
        (tenant, id, opened_at, closed_at, verb, outcome, use_case, resource, principal, parent, root, leaf, key_id)
    SELECT 'acme', ledger.ulid_floor(now()) || lpad(n::text, 16, '0'), now(), now(), 'verb' || n % 5,
        CASE WHEN n % 1000 = 0 THEN 'interrupted' ELSE 'done' END,
        CASE WHEN n % 1000 = 5 THEN 'administration' ELSE 'case' || n % 20 END,
        'r:' || n % 50, 'p_' || n % 300,
        CASE WHEN n % 5 > 0 THEN 'parent' || n / 3 END, 'root' || n / 10, convert_to(repeat('x', 300), 'UTF8'),
        'key' || n % 400
    FROM generate_series(1, 50000) AS n;
    INSERT INTO ledger.marks (tenant, mark, record)
    SELECT 'acme', mark, ledger.ulid_floor(now()) || lpad(n::text, 16, '0')
    FROM generate_series(1, 50000) AS n, LATERAL (
        VALUES ('rule:' || n % 400), ('rule:all'), (CASE WHEN n % 5 = 0 THEN 'within:' ELSE '' END || 'rule:attempts')
    ) AS m (mark);
"""


@dataclass(frozen=True, slots=True)
class Cost:
    rows: int
    nodes: tuple[str, ...]
    indexes: tuple[str, ...]


def cost_of(plan: dict[str, Any]) -> Cost:
    """How many rows the plan touched, and by what."""
    below = [cost_of(child) for child in plan.get("Plans", ())]
    mine = int((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])
    return Cost(
        mine + sum(child.rows for child in below),
        (plan["Node Type"], *(node for child in below for node in child.nodes)),
        (*([plan["Index Name"]] if "Index Name" in plan else []), *(name for child in below for name in child.indexes)),
    )


async def test_every_filter_and_pairs_that_are_rare_or_impossible_read_what_they_show_and_little_more(
    fresh_database: TemporaryDatabase, office: Office
) -> None:
    async with office.writer.transaction(tenant=None) as tx:
        await store.prepare_months(tx)
    async with office.owner.transaction(tenant=None) as tx:
        await tx.execute("SET LOCAL statement_timeout = 0")  # the seed is long for a busy machine
        for statement in SEED.split(";")[:2]:
            await tx.execute(statement)  # pyright: ignore[reportArgumentType] - a constant, cut in two
        await tx.execute("ANALYZE ledger.records")
        await tx.execute("ANALYZE ledger.marks")
    queries = load_queries("headgate.ledger")
    before = ulid_floor(datetime.now(UTC) + timedelta(days=1))
    cases = {
        "pkey": RecordQuery(),
        "pkey ": RecordQuery(before=before),
        "pkey  ": RecordQuery(since=ulid_floor(NOW - timedelta(days=1)), until=before),
        "verb": RecordQuery(verb="verb3"),
        "outcome": RecordQuery(outcome="interrupted"),
        "pkey   ": RecordQuery(outcome="done"),
        "use_case": RecordQuery(use_case="case7"),
        "resource": RecordQuery(resource="r:7"),
        "principal": RecordQuery(principal="p_7"),
        "parent": RecordQuery(parent="parent77"),
        "root": RecordQuery(root="root77"),
        "marks": RecordQuery(mark="rule:7"),
        "marks ": RecordQuery(mark="rule:all"),
        "none": RecordQuery(principal="nobody"),
        "none ": RecordQuery(verb="verb3", is_first=True),
        "none  ": RecordQuery(resource="r:7", is_first=True),
        "outcome ": RecordQuery(outcome="interrupted", mark="rule:all"),
        "marks  ": RecordQuery(outcome="done", mark="rule:7"),
        "marks   ": RecordQuery(mark="rule:attempts", is_first=True),
        "first": RecordQuery(is_first=True),
        "id_outcome": RecordQuery(kind="calls"),
        "id_outcome ": RecordQuery(kind="administration"),
        "key_id": RecordQuery(key_id="key77"),
        "marks    ": RecordQuery(mark="rule:7", also=("rule:all",)),
    }
    grid = grid_of(NOW - timedelta(days=1), NOW + timedelta(minutes=5))
    counted = (
        RecordQuery(),
        RecordQuery(kind="calls"),
        RecordQuery(use_case="case7"),
        RecordQuery(mark="rule:all", kind="calls"),
        RecordQuery(mark="rule:7", outcome="interrupted"),
    )
    async with office.app.transaction(tenant="acme") as tx:
        await tx.execute(queries["plan_for_these_values"])
        for name, query in cases.items():
            listing = queries["list_records" if query.mark is None else "list_marked_records"]
            told = await tx.value(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {listing}",  # pyright: ignore[reportArgumentType] - of the query at test
                query.parameters(tenant="acme", limit=51),
            )
            assert isinstance(told, list)
            cost = cost_of(json.loads(json.dumps(told))[0]["Plan"])
            assert cost.rows < 2500, (name, cost)
            if name.strip() not in ("none", "verb", "first"):
                assert any(name.strip() in index for index in cost.indexes), (name, cost)
        await tx.execute(queries["bound_the_count"], {"ms": "1000"})
        for query in counted:
            counting = queries["count_records" if query.mark is None else "count_marked_records"]
            buckets = grid.buckets()
            spans = {"starts": buckets.starts, "stops": buckets.stops}
            told = await tx.value(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {counting}",  # pyright: ignore[reportArgumentType] - of the query at test
                {**query.parameters(tenant="acme", limit=buckets.most), **spans},
            )
            assert isinstance(told, list)
            cost = cost_of(json.loads(json.dumps(told))[0]["Plan"])
            assert cost.rows < 12_000, (query, cost)


async def test_records_that_come_together_are_counted_exactly(office: Office) -> None:
    async with office.writer.transaction(tenant=None) as tx:
        await store.prepare_months(tx)
    async with office.owner.transaction(tenant=None) as tx:
        await tx.execute(SEED.split(";")[0].replace("50000", "2000"))  # pyright: ignore[reportArgumentType] - a constant
    now = datetime.now(UTC) + timedelta(seconds=5)
    grid = grid_of(now - timedelta(days=1), now)
    counts = await office.reader.count_records(RecordFilters(), grid, tenant=ACME, now=now)
    assert counts.is_exact
    assert {outcome: sum(row) for outcome, row in counts.by_outcome.items()} == {"done": 1998, "interrupted": 2}


async def test_a_full_bucket_gets_an_estimate_from_the_time_that_was_counted() -> None:
    until = datetime(2027, 3, 1, 12, tzinfo=UTC)
    counts = Counts(grid_of(until - timedelta(seconds=50), until))
    most = counts.grid.buckets().most
    half_a_second_before = ulid_floor(until - timedelta(milliseconds=500)) + "0" * 16
    last = len(counts.grid.starts)
    counts.add([Counted(last, "done", most, half_a_second_before)], now=until, most=most)
    assert (counts.total, counts.is_exact) == (2 * most, False)
    assert grid_of(until - timedelta(days=400_0), until).step > timedelta(days=30)
    with pytest.raises(Invalid):
        grid_of(until, until)


def _forgetting(office: Office) -> Forgetting:
    return Forgetting(office.app, pseudonyms=PSEUDONYMS)


async def _forget(office: Office, *records: str, principal: str = "alice") -> int:
    action = SimpleNamespace(principal=Principal(principal, ACME))
    run = SimpleNamespace(payload=Forget(records), action=action, facts={})
    return await _forgetting(office).run(cast("Any", run))


async def test_people_forget_the_content_of_their_own_records_and_of_their_attempts(office: Office) -> None:
    call = office.open(parts={"sent": b"mine"})
    attempt = office.open(parent=call.id, root=call.id, parts={"sent": b"mine again"})
    office.close(attempt, parts={"answer": b"an answer"})
    office.close(call)
    others = office.close(office.open(principal="bob", parts={"sent": b"his"}))
    await office.ship()
    assert await _forget(office, call.id, others) == 3
    assert await _forget(office, call.id) == 0
    states = [
        [part.state for part in await office.reader.open_parts(one, tenant=ACME)]
        for one in (call.id, attempt.id, others)
    ]
    assert states == [["missing"], ["missing", "missing"], ["open"]]


async def test_content_that_arrives_after_it_was_forgotten_is_left_out(office: Office) -> None:
    mine = office.close(office.open(parts={"sent": b"mine"}))
    his = office.close(office.open(principal="bob", parts={"sent": b"his"}))
    assert await _forget(office, mine, his) == 0
    await office.ship()
    states = [[part.state for part in await office.reader.open_parts(one, tenant=ACME)] for one in (mine, his)]
    assert states == [["missing"], ["open"]]
    again = office.close(office.open(parts={"sent": b"again"}))
    await _forget(office, again)
    await office.ship()
    assert [part.state for part in await office.reader.open_parts(again, tenant=ACME)] == ["missing"]


async def test_a_request_to_forget_is_bounded_and_does_not_stream(office: Office) -> None:
    with pytest.raises(Invalid, match="at most 500"):
        await _forget(office, *(IDS.ulid() for _ in range(501)))
    with pytest.raises(Invalid, match="streamed"):
        _forgetting(office).stream(cast("Any", None))

"""The recorder: what is in a leaf, what is sealed, and what is never refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel.decision import LogLevel, RuleHit
from headgate.kernel.errors import Conflict, Corrupt, Invalid, NotFound, Unavailable
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.labels import Confidentiality, Labels
from headgate.kernel.record import Closing, Opening
from headgate.ledger import pseudonyms
from headgate.ledger.keys import FileKeyRing, KeysOnDemand
from headgate.ledger.leaves import (
    MAX_LEAF_BYTES,
    JournalEntry,
    Leaf,
    bounded_facts,
    decode_entry,
    decode_leaf,
    encode_entry,
    encode_leaf,
    read_closed,
    read_figures,
)
from headgate.ledger.pseudonyms import Pseudonymiser
from headgate.ledger.recorder import MAX_CLOSING_PART_BYTES, JournalRecorder
from headgate.ledger.seal import PartAddress, Sealer
from headgate.substrate import journal as journals
from headgate.substrate.journal import START, Journal, JournalLimits
from headgate.testing.clock import FakeClock

AT = datetime(2026, 11, 21, 22, 30, 0, 123, UTC)
ID = "01KAM1V2P00000000000000001"
OPENING = Opening(
    id=RecordId(ID),
    tenant=TenantId("acme"),
    opened_at=AT,
    verb="model.dispatch",
    principal="alice@example.com",
    use_case="getting-started",
    resource="deployment:local-chat",
    effect="allow",
    would="deny",
    rules=(RuleHit("base.allow", "allow", "enforce", "built in"),),
    policy_version="v7",
    labels=Labels(tenant="acme", confidentiality=Confidentiality.INTERNAL, categories=frozenset({"pii", "phi"})),
    facts={"masked.email": 2},
    parts={"sent": b"the prompt"},
)
CLOSING = Closing(
    id=RecordId(ID),
    tenant=TenantId("acme"),
    closed_at=AT,
    outcome="done",
    duration_us=1500,
    facts={"output_tokens": 5},
    parts={"answer": b"the answer"},
)


class Desk:
    """A recorder over a journal and keys in a folder."""

    def __init__(self, folder: Path, *, limits: JournalLimits | None = None) -> None:
        self.keys = FileKeyRing(folder / "keys")
        self.clock = FakeClock()
        self.journal = Journal(folder / "journal" / "worker", limits=limits)
        self.recorder = JournalRecorder(
            self.journal,
            sealer=Sealer(KeysOnDemand(self.keys, clock=self.clock)),
            pseudonyms=Pseudonymiser(b"s" * 32),
        )

    async def entries(self) -> list[JournalEntry]:
        """What is in the journal once the loop's turn is over."""
        await asyncio.sleep(0)
        return [decode_entry(payload) for payload in journals.read(self.journal.folder, START).payloads]

    async def leaves(self) -> list[Leaf]:
        return [decode_leaf(entry.leaf) for entry in await self.entries()]


@pytest.fixture
async def desk(tmp_path: Path) -> Any:
    desk = Desk(tmp_path)
    yield desk
    await desk.journal.aclose()


async def test_the_closing_carries_the_whole_record_as_canonical_json(desk: Desk) -> None:
    await desk.recorder.open(OPENING).durable()
    await desk.recorder.close(CLOSING).durable()
    data = (await desk.entries())[1].leaf
    told: Mapping[str, Any] = json.loads(data)
    assert data == json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert (told["v"], told["id"], told["outcome"], told["would"]) == (1, ID, "done", "deny")
    assert told["opened_at"] == "2026-11-21T22:30:00.000123Z"
    assert told["labels"] == {"confidentiality": "internal", "categories": ["phi", "pii"]}
    assert told["rules"] == [["base.allow", "allow", "enforce", "built in"]]
    assert (told["facts"], told["closing_facts"]) == ({"masked.email": 2}, {"output_tokens": 5})


async def test_parts_are_sealed_and_their_digests_are_over_the_ciphertext(desk: Desk) -> None:
    desk.recorder.open(OPENING)
    desk.recorder.close(CLOSING)
    opened, closed = await desk.entries()
    envelopes = {**opened.parts, **closed.parts}
    leaf = decode_leaf(closed.leaf)
    assert {name: digest.sha256 for name, digest in leaf.parts.items()} == {
        name: sha256(envelope).hexdigest() for name, envelope in envelopes.items()
    }
    place = PartAddress("acme", ID, "answer", "acme.2026-11-21")
    assert Sealer(desk.keys).open(closed.parts["answer"], place=place) == b"the answer"


async def test_neither_content_nor_names_of_people_are_on_disk_in_the_clear(desk: Desk) -> None:
    desk.recorder.open(OPENING)
    await desk.recorder.close(CLOSING).durable()
    written = b"".join(path.read_bytes() for path in desk.journal.folder.glob("*.log"))
    assert len(written) > 500
    for secret in (b"the prompt", b"the answer", b"alice"):
        assert secret not in written


def test_a_pseudonym_is_stable_within_a_tenant_and_another_in_every_other() -> None:
    one, again, other_key = Pseudonymiser(b"s" * 32), Pseudonymiser(b"s" * 32), Pseudonymiser(b"t" * 32)
    assert one("acme", "alice") == again("acme", "alice") == one("acme", "alice")
    names = {one("acme", "alice"), one("umbrella", "alice"), one("acme", "bob"), other_key("acme", "alice")}
    assert len(names) == 4


async def test_nothing_of_the_content_is_kept_where_the_log_level_is_none(desk: Desk) -> None:
    desk.recorder.open(OPENING._replace(log=LogLevel.NONE))
    desk.recorder.close(CLOSING)
    assert [entry.parts for entry in await desk.entries()] == [{}, {}]
    assert (await desk.leaves())[1].log == "none"


async def test_a_record_opens_once_and_closes_once(desk: Desk) -> None:
    desk.recorder.open(OPENING)
    with pytest.raises(Conflict):
        desk.recorder.open(OPENING)
    desk.recorder.close(CLOSING)
    with pytest.raises(Conflict):
        desk.recorder.close(CLOSING)
    assert len(await desk.entries()) == 2
    assert desk.recorder.open_count == 0


async def test_over_the_limit_openings_are_refused_and_closings_are_not(tmp_path: Path) -> None:
    desk = Desk(tmp_path, limits=JournalLimits(backlog_bytes=0))
    desk.recorder.open(OPENING)
    with pytest.raises(Unavailable):
        desk.recorder.open(OPENING._replace(id=RecordId(ID[:-1] + "2")))
    desk.recorder.close(CLOSING)
    assert [leaf.outcome for leaf in await desk.leaves()] == [None, "done"]
    await desk.journal.aclose()


async def test_no_opening_is_written_whose_content_cannot_be_sealed(desk: Desk) -> None:
    desk.keys.create("acme.2026-11-21")
    desk.keys.destroy("acme.2026-11-21", at=AT)
    desk.clock.advance(1.1)
    with pytest.raises(Unavailable):
        desk.recorder.open(OPENING)
    assert (await desk.entries(), desk.recorder.open_count) == ([], 0)


async def test_a_closing_whose_content_cannot_be_sealed_closes_without_it_and_says_so(desk: Desk) -> None:
    desk.recorder.open(OPENING)
    desk.keys.destroy("acme.2026-11-21", at=AT)
    desk.clock.advance(1.1)
    desk.recorder.close(CLOSING)
    closed = (await desk.leaves())[1]
    assert (closed.outcome, closed.closing_facts["left_out.answer"]) == ("done", "conflict")
    assert set(closed.parts) == {"sent"}


async def test_an_answer_too_large_to_keep_is_left_out_and_its_size_is_told(desk: Desk) -> None:
    desk.recorder.open(OPENING)
    desk.recorder.close(CLOSING._replace(parts={"answer": bytes(MAX_CLOSING_PART_BYTES + 1), "note": b"kept"}))
    closed = (await desk.leaves())[1]
    assert closed.closing_facts["left_out.answer"] == MAX_CLOSING_PART_BYTES + 1
    assert set(closed.parts) == {"sent", "note"}


async def test_a_leaf_too_large_for_the_log_is_cut_and_names_the_digest_of_the_whole(desk: Desk) -> None:
    readers = frozenset(f"list-{number:05d}-{'x' * 40}" for number in range(2000))
    facts = {f"fact.{number}": "\x01" * 600 for number in range(200)}
    rules = tuple(RuleHit("\x02" * 900 + str(number), "duty", "enforce", "\x03" * 900) for number in range(100))
    desk.recorder.open(OPENING._replace(labels=Labels(readers=readers), facts=facts, rules=rules, verb="\x01" * 900))
    desk.recorder.close(CLOSING._replace(facts=facts))
    data = (await desk.entries())[1].leaf
    leaf = decode_leaf(data)
    assert len(data) <= MAX_LEAF_BYTES
    assert (leaf.id, leaf.outcome, len(leaf.cut or "")) == (ID, "done", 64)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=200), st.text() | st.integers() | st.floats() | st.booleans() | st.none()))
def test_any_facts_make_a_leaf_that_reads_back_and_that_the_database_can_hold(facts: dict[str, Any]) -> None:
    bounded = bounded_facts(facts)
    leaf = Leaf(
        v=1, id=ID, tenant="acme", opened_at="", verb="", principal="", use_case="", resource="", effect="", would=""
    )
    leaf.facts = bounded
    data = encode_leaf(leaf)
    assert encode_leaf(decode_leaf(data)) == data
    assert b"\\u0000" not in data
    assert len(data) <= MAX_LEAF_BYTES


def test_names_of_facts_beyond_those_remembered_are_kept_and_cleaned_all_the_same() -> None:
    bounded_facts({f"name.{number}": 1 for number in range(9_000)})
    assert bounded_facts({"a new name": 1, "why\x00": 2}) == {"a new name": 1, "why\ufffd": 2}


async def test_text_that_no_database_holds_is_replaced(desk: Desk) -> None:
    desk.recorder.open(OPENING._replace(resource="alias:\x00\ud800", facts={"why\x00": "\udfff"}))
    leaf = (await desk.leaves())[0]
    assert leaf.resource == "alias:\ufffd?"
    assert leaf.facts == {"why\ufffd": "?"}


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"v":1}', b"\xff"])
def test_what_is_no_leaf_is_refused(data: bytes) -> None:
    with pytest.raises(Corrupt):
        decode_leaf(data)
    with pytest.raises(Corrupt):
        decode_entry(data)


def test_a_leaf_of_a_later_version_is_refused() -> None:
    leaf = Leaf(
        v=2, id=ID, tenant="acme", opened_at="", verb="", principal="", use_case="", resource="", effect="", would=""
    )
    with pytest.raises(Corrupt, match="version 2"):
        decode_leaf(encode_leaf(leaf))


def test_keys_on_demand_are_made_once_and_never_again_after_destruction(tmp_path: Path) -> None:
    ring = FileKeyRing(tmp_path)
    clock = FakeClock()
    keys = KeysOnDemand(ring, clock=clock)
    first = keys.key("acme.2026-11-21")
    assert keys.key("acme.2026-11-21") == first == ring.key("acme.2026-11-21")
    ring.destroy("acme.2026-11-21", at=AT)
    clock.advance(1.1)
    with pytest.raises(Conflict):
        keys.key("acme.2026-11-21")
    with pytest.raises(NotFound):
        ring.key("acme.2026-11-21")


async def test_a_record_has_no_more_parts_than_a_leaf_has_room_for(desk: Desk) -> None:
    for parts in ({f"part{number}": b"" for number in range(17)}, {"n" * 65: b""}, {"ñ": b""}):
        with pytest.raises(Invalid):
            desk.recorder.open(OPENING._replace(parts=parts))
    assert desk.recorder.open_count == 0


def test_an_open_leaf_is_not_taken_for_a_closed_one_nor_a_later_entry_for_ours() -> None:
    leaf = Leaf(
        v=1, id=ID, tenant="acme", opened_at="", verb="", principal="", use_case="", resource="", effect="", would=""
    )
    with pytest.raises(Corrupt, match="open in its leaf"):
        read_closed(encode_leaf(leaf))
    later = JournalEntry(v=2, tenant="acme", id=ID, is_closing=True, seal="", leaf=b"", parts={})
    with pytest.raises(Corrupt, match="version 2"):
        decode_entry(encode_entry(later))


def test_pseudonyms_are_the_same_when_more_people_come_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudonyms, "_CACHED", 2)
    make = Pseudonymiser(b"s" * 32)
    before = [make("acme", f"person {number}") for number in range(5)]
    assert [make("acme", f"person {number}") for number in range(5)] == before


def test_the_figures_of_a_leaf_with_broken_rules_are_refused() -> None:
    leaf = {"v": 1, "opened_at": "2027-03-01T09:00:00.000000Z", "verb": "x.y", "principal": "p", "use_case": "u"}
    figures = read_figures(json.dumps({**leaf, "resource": "r", "rules": [["stop", "deny"]]}).encode())
    with pytest.raises(Corrupt, match="invalid rules"):
        _ = figures.rules
    broken = json.dumps({**leaf, "resource": "r", "v": 2}).encode()
    with pytest.raises(Corrupt, match="version 2"):
        read_figures(broken)

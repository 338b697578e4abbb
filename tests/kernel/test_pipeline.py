"""Every effect goes one way: no decision, no effect; no record on disk, no effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from headgate.kernel.action import Action, Verb
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect, LogLevel, Obligations, RuleHit
from headgate.kernel.errors import Denied, NotFound, OverBudget, Unavailable, Upstream
from headgate.kernel.labels import (
    EVERYTHING,
    Clearance,
    Confidentiality,
    Custody,
    Labels,
)
from headgate.kernel.measures import Measures
from headgate.kernel.pipeline import FLOW_RULE
from headgate.kernel.run import Run
from headgate.testing.notes import PLAN, SEND, Note, Piece, finding, note, send
from headgate.testing.people import ACME, HEALTH_RECORDS, VISITOR
from headgate.testing.pipeline import Bench
from headgate.testing.ports import FakePerformer, journal_full

PII = frozenset({"pii"})
WITH_NAME = Labelled(Labels(categories=PII), (finding("pii", 6, 9),))
"""Of the note `hello Ada`."""
SECRET = Labels(confidentiality=Confidentiality.RESTRICTED)
DENY = Decision(
    Effect.DENY,
    rules=(RuleHit("no-notes", "deny", "enforce", "notes are not allowed"),),
    would=Effect.DENY,
    version="7",
)
CLOUD = Clearance(level=Confidentiality.INTERNAL, categories=frozenset({"pii_pseudonymous"}))


async def test_an_action_that_may_be_done_is_performed_recorded_and_settled() -> None:
    bench = Bench(performer=FakePerformer(do=lambda run: note("done"), measures=Measures(cost_micros=5)))
    done = await bench.pipeline().run(send("hello"))
    assert done.result.text == "done"
    [(opening, closing)] = bench.recorder.records
    assert (opening.verb, opening.principal, opening.use_case, opening.resource, opening.tenant) == (
        "note.send",
        "support-bot",
        "support",
        "place:post-box",
        ACME,
    )
    assert opening.parts == {"sent": b"hello"}
    assert closing is not None
    assert (closing.outcome, closing.error, closing.parts) == ("done", None, {"answer": b"done"})
    assert closing.facts["cost_micros"] == 5
    assert [(one.measures.cost_micros, one.performed) for one in bench.admitter.settlements] == [(5, True)]
    assert done.run.record_id == opening.id == closing.id


class Trace:
    """Wraps the fakes of a bench so that the order in which they are asked is seen."""

    def __init__(self, bench: Bench) -> None:
        self.seen: list[str] = []
        parts: tuple[tuple[Any, tuple[str, ...]], ...] = (
            (bench.labeller, ("label",)),
            (bench.decider, ("decide",)),
            (bench.transformer, ("transform",)),
            (bench.admitter, ("reserve",)),
            (bench.recorder, ("open", "close")),
            (bench.performer, ("run",)),
        )
        self._wrapped = {name: getattr(part, name) for part, names in parts for name in names}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        wrapped = self._wrapped[name]

        def call(*args: Any, **kwargs: Any) -> Any:
            self.seen.append(name)
            return wrapped(*args, **kwargs)

        return call


async def test_the_stages_come_in_their_order() -> None:
    bench = Bench()
    trace: Any = Trace(bench)
    bench.labeller = bench.decider = bench.transformer = bench.admitter = bench.recorder = bench.performer = trace
    await bench.pipeline().run(send())
    assert trace.seen == ["label", "decide", "transform", "reserve", "open", "run", "close"]


async def test_a_verb_that_nobody_performs_is_not_found() -> None:
    bench = Bench(performers={"other": FakePerformer()})
    with pytest.raises(NotFound, match=r"note\.send"):
        await bench.pipeline().run(send())
    assert bench.recorder.openings == []


async def test_what_policy_denies_is_recorded_as_refused_and_not_performed() -> None:
    bench = Bench()
    bench.decider.decision = DENY
    with pytest.raises(Denied, match=r"no-notes \(notes are not allowed\)") as caught:
        await bench.pipeline().run(send("hello"))
    assert bench.performer.runs == []
    assert bench.admitter.reservations == []
    [(opening, closing)] = bench.recorder.records
    assert (opening.effect, opening.would, opening.policy_version) == ("deny", "deny", "7")
    assert closing is not None
    assert (closing.outcome, closing.error, closing.facts["refused_by"]) == ("refused", "denied", "no-notes")
    assert caught.value.record_id == opening.id
    assert caught.value.rules == ("no-notes",)


async def test_a_denial_without_a_rule_says_that_nothing_allows_it() -> None:
    bench = Bench()
    bench.decider.decision = Decision(Effect.DENY)
    with pytest.raises(Denied, match="No rule allows this action"):
        await bench.pipeline().run(send())


async def test_content_that_may_not_flow_to_the_place_is_refused_and_recorded() -> None:
    bench = Bench()
    bench.labeller.labelled = Labelled(SECRET)
    with pytest.raises(Denied, match="it is restricted, the clearance is internal") as caught:
        await bench.pipeline().run(send(clearance=CLOUD))
    assert caught.value.rules == (FLOW_RULE,)
    assert bench.performer.runs == []
    assert bench.recorder.outcomes() == ["refused"]
    assert bench.recorder.openings[0].labels == SECRET


async def test_what_the_use_case_demands_holds_for_every_call() -> None:
    bench = Bench()
    with pytest.raises(Denied, match="restricted"):
        await bench.pipeline().run(send(use_case=HEALTH_RECORDS, clearance=CLOUD))
    assert bench.performer.runs == []


async def test_a_duty_to_stay_on_our_machines_refuses_every_other_place() -> None:
    bench = Bench()
    duty = RuleHit("stay", "duty", "enforce", "stays here")
    observed = RuleHit("watch", "duty", "observe", "only looks")
    bench.decider.decision = Decision(
        Effect.ALLOW, rules=(duty, observed), obligations=Obligations(restrict=Custody.ORGANISATION)
    )
    with pytest.raises(Denied, match="runs elsewhere, and policy requires our own machines") as caught:
        await bench.pipeline().run(send(clearance=CLOUD))
    assert caught.value.rules == ("stay",)
    await bench.pipeline().run(send(clearance=EVERYTHING))
    assert bench.recorder.outcomes() == ["refused", "done"]


async def test_what_is_masked_leaves_masked_and_comes_back_restored() -> None:
    bench = Bench(performer=FakePerformer(do=lambda run: run.payload))
    bench.labeller.labelled = WITH_NAME
    bench.decider.decision = Decision(Effect.ALLOW, obligations=Obligations(mask=PII))
    done = await bench.pipeline().run(send("hello Ada", clearance=CLOUD))
    assert bench.performer.runs[0].payload.text == "hello <pii-1>"
    assert done.result.text == "hello Ada"
    [(opening, closing)] = bench.recorder.records
    assert opening.parts["sent"] == b"hello <pii-1>"
    assert opening.facts == {"masked": 1}
    assert closing is not None
    assert closing.parts["answer"] == b"hello <pii-1>"
    assert closing.facts["restored"] == 1


async def test_no_masking_lowers_what_the_floor_demands() -> None:
    bench = Bench()
    bench.labeller.labelled = WITH_NAME
    bench.decider.decision = Decision(Effect.ALLOW, obligations=Obligations(mask=PII))
    with pytest.raises(Denied, match="not cleared for pii"):
        await bench.pipeline().run(send("hello Ada", clearance=CLOUD, floor=Labels(categories=PII)))
    assert bench.performer.runs == []


async def test_an_observing_rule_changes_nothing_but_the_record() -> None:
    bench = Bench()
    bench.labeller.labelled = WITH_NAME
    rules = (RuleHit("mask-names", "duty", "observe", "names"), RuleHit("no-notes", "deny", "observe", "not yet"))
    bench.decider.decision = Decision(
        Effect.ALLOW, rules=rules, observed=Obligations(mask=PII, restrict=Custody.ORGANISATION), would=Effect.DENY
    )
    done = await bench.pipeline().run(send("hello Ada", clearance=CLOUD))
    assert bench.performer.runs[0].payload.text == "hello Ada", "an observing rule masks nothing"
    assert done.result.text == "hello Ada"
    [(opening, closing)] = bench.recorder.records
    assert (opening.effect, opening.would, opening.rules) == ("allow", "deny", rules)
    assert closing is not None
    assert closing.outcome == "done"


async def test_what_would_be_masked_counts_as_masked_only_for_its_own_categories() -> None:
    bench = Bench()
    bench.labeller.labelled = Labelled(Labels(categories=frozenset({"pii", "phi"})))
    bench.decider.decision = Decision(Effect.ALLOW, observed=Obligations(mask=PII))
    with pytest.raises(Denied, match="not cleared for phi"):
        await bench.pipeline().run(send("hello Ada", clearance=CLOUD))


@pytest.mark.parametrize("error", [journal_full(), RuntimeError("bug")])
async def test_without_a_record_nothing_is_performed_and_nothing_stays_reserved(error: Exception) -> None:
    bench = Bench()
    bench.recorder.open_error = error
    with pytest.raises(type(error)) as caught:
        await bench.pipeline().run(send())
    assert bench.performer.runs == []
    assert [one.performed for one in bench.admitter.settlements] == [False]
    assert getattr(caught.value, "record_id", None) is None, "there is no record to name"


@pytest.mark.parametrize("error", [Unavailable("disk gone"), RuntimeError("bug")])
async def test_a_record_that_is_not_durable_stops_the_effect_and_closes_as_failed(error: Exception) -> None:
    bench = Bench()
    bench.recorder.durable_error = error
    with pytest.raises(type(error)):
        await bench.pipeline().run(send())
    assert bench.performer.runs == []
    assert [one.performed for one in bench.admitter.settlements] == [False]
    assert [(one.outcome, one.error) for one in bench.recorder.closings] == [("failed", "not_opened")]
    if isinstance(error, Unavailable):
        assert error.record_id == bench.recorder.openings[0].id


async def test_a_plan_does_not_wait_for_the_disk_but_what_it_runs_does() -> None:
    async def plan(run: Run[Any, Any, Any]) -> Any:
        return await run.perform(SEND, send().resource, run.payload)

    inner = FakePerformer()
    bench = Bench(performers={PLAN.name: Performing(plan), SEND.name: inner})
    bench.recorder.durable_error = Unavailable("disk gone")
    with pytest.raises(Unavailable):
        await bench.pipeline().run(send(verb=PLAN))
    assert inner.runs == []
    assert bench.recorder.outcomes() == ["failed", "failed"]


class Performing(FakePerformer):
    """Performs by a coroutine function."""

    def __init__(self, do: Callable[[Run[Any, Any, Any]], Any]) -> None:
        super().__init__()
        self._do = do

    async def run(self, run: Run[Any, Any, Any]) -> Any:
        return await self._do(run)


async def test_nested_actions_have_records_of_their_own_that_name_parent_and_root() -> None:
    async def middle(run: Run[Any, Any, Any]) -> Any:
        return await run.perform(SEND, send().resource, run.payload)

    async def outer(run: Run[Any, Any, Any]) -> Any:
        return await run.perform(MIDDLE, send().resource, run.payload)

    bench = Bench(
        performers={PLAN.name: Performing(outer), MIDDLE.name: Performing(middle), SEND.name: FakePerformer()}
    )
    bench.transformer.output = Labels(categories=PII)
    done = await bench.pipeline().run(send(verb=PLAN))
    # The inner plan ran one action: one record tells of both.
    first, second = bench.recorder.openings
    assert [one.verb for one in (first, second)] == ["note.plan", "note.middle"]
    assert (first.parent, first.root) == (None, None)
    assert (second.parent, second.root) == (first.id, first.id)
    assert [child.record_id for child in done.run.children] == [second.id]
    assert bench.recorder.outcomes() == ["done"] * 2
    assert done.run.output_labels.categories == PII, "what an inner action put out raises the outer one"


MIDDLE = type(PLAN)("note.middle", Note, PLAN.item, Note, effect="plan")


async def test_a_nested_action_is_decided_for_its_own_destination() -> None:
    async def outer(run: Run[Any, Any, Any]) -> Any:
        cloud = send(to="cloud", clearance=CLOUD).resource
        return await run.perform(SEND, cloud, run.payload)

    inner = FakePerformer()
    bench = Bench(performers={PLAN.name: Performing(outer), SEND.name: inner})
    with pytest.raises(Denied, match="place cloud"):
        await bench.pipeline().run(send(verb=PLAN, use_case=HEALTH_RECORDS))
    assert inner.runs == []
    assert bench.recorder.outcomes() == ["refused"]


async def test_an_over_budget_key_is_refused_before_anything_happens() -> None:
    bench = Bench()
    bench.admitter.error = OverBudget("used up", retry_after_s=7.0)
    with pytest.raises(OverBudget) as caught:
        await bench.pipeline().run(send())
    assert caught.value.retry_after_s == 7.0
    assert bench.performer.runs == []
    assert [(one.outcome, one.error) for one in bench.recorder.closings] == [("refused", "rate_limit_exceeded")]


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (Upstream("down"), "failed", "upstream_error"),
        (Denied("no"), "refused", "denied"),
        (RuntimeError("bug"), "failed", "internal_error"),
    ],
)
async def test_a_performer_that_fails_closes_the_record_with_what_went_wrong(
    error: Exception, outcome: str, code: str
) -> None:
    bench = Bench(performer=FakePerformer(error=error, measures=Measures(cost_micros=3)))
    with pytest.raises(type(error)):
        await bench.pipeline().run(send())
    assert [(one.outcome, one.error) for one in bench.recorder.closings] == [(outcome, code)]
    assert [(one.measures.cost_micros, one.performed) for one in bench.admitter.settlements] == [(3, True)]
    if isinstance(error, (Upstream, Denied)):
        assert error.record_id == bench.recorder.openings[0].id


@pytest.mark.parametrize("stage", ["labeller", "decider", "transformer", "admitter"])
@pytest.mark.parametrize("error", [RuntimeError("bug"), Unavailable("policies are stale")])
async def test_a_broken_stage_means_that_nothing_is_performed(stage: str, error: Exception) -> None:
    bench = Bench()
    getattr(bench, stage).error = error
    with pytest.raises(type(error)):
        await bench.pipeline().run(send())
    with pytest.raises(type(error)):
        async with bench.pipeline().stream(send()) as stream:
            assert [item async for item in stream.items] == []
    assert bench.performer.runs == []
    assert bench.admitter.reservations == []


@pytest.mark.parametrize("stage", ["labeller", "decider", "transformer", "admitter"])
async def test_a_broken_stage_leaves_a_record(stage: str) -> None:
    bench = Bench()
    error = Unavailable("policies are stale")
    getattr(bench, stage).error = error
    with pytest.raises(Unavailable):
        await bench.pipeline().run(send("hello"))
    [(opening, closing)] = bench.recorder.records
    assert (opening.effect, opening.verb, opening.principal) == (
        "allow" if stage in ("transformer", "admitter") else "deny",
        "note.send",
        "support-bot",
    )
    assert closing is not None
    assert (closing.outcome, closing.error) == ("refused", "unavailable")
    assert error.record_id == opening.id


async def test_content_is_not_kept_where_nothing_could_be_decided() -> None:
    bench = Bench()
    bench.decider.error = Unavailable("policies are stale")
    with pytest.raises(Unavailable):
        await bench.pipeline().run(send("hello"))
    assert bench.recorder.openings[0].parts == {}
    assert bench.recorder.openings[0].log is LogLevel.NONE


@pytest.mark.parametrize("breaks", ["exchange", "closing facts", "settling", "closing"])
async def test_whatever_breaks_while_closing_the_record_is_closed_and_settled_once(breaks: str) -> None:
    bench = Bench()
    match breaks:
        case "exchange":
            bench.transformer.exchange_error = RuntimeError("bug")
        case "closing facts":
            bench.transformer.closing_error = RuntimeError("bug")
        case "settling":
            bench.admitter.settle_error = RuntimeError("bug")
        case _:
            bench.recorder.close_error = RuntimeError("bug")
    with pytest.raises(RuntimeError):
        await bench.pipeline().run(send())
    assert len(bench.recorder.closings) == 1
    assert [one.performed for one in bench.admitter.settlements] == [True]


async def test_output_of_another_tenant_closes_the_record_all_the_same() -> None:
    async def outer(run: Run[Any, Any, Any]) -> Any:
        result = await run.perform(SEND, send().resource, run.payload)
        run.output_labels = Labels(tenant="globex")
        return result

    bench = Bench(performers={PLAN.name: Performing(outer), SEND.name: FakePerformer()})
    bench.transformer.output = Labels(tenant=ACME)
    with pytest.raises(Exception, match="two tenants"):
        await bench.pipeline().run(send(verb=PLAN))
    assert bench.recorder.outcomes() == ["done", "failed"]
    assert len(bench.admitter.settlements) == 2


async def test_an_answer_that_its_receiver_may_not_see_is_not_released() -> None:
    bench = Bench(performer=FakePerformer(do=lambda run: note("Ada's file")))
    bench.transformer.output = Labels(categories=PII)
    with pytest.raises(Denied, match="may not be released to this caller: not cleared for pii") as caught:
        await bench.pipeline().run(send(principal=VISITOR))
    assert caught.value.rules == (FLOW_RULE,)
    assert bench.recorder.outcomes() == ["refused"]
    assert bench.admitter.settlements[0].performed


async def test_a_receiver_who_may_not_see_even_the_context_is_refused_before_anything_is_done() -> None:
    bench = Bench()
    with pytest.raises(Denied, match="may not be released"):
        await bench.pipeline().run(send(principal=VISITOR, floor=SECRET))
    assert bench.performer.runs == []
    assert bench.recorder.outcomes() == ["refused"]


@pytest.mark.parametrize("level", list(LogLevel))
async def test_the_record_keeps_content_unless_policy_forbids_it(level: LogLevel) -> None:
    bench = Bench()
    bench.decider.decision = Decision(Effect.ALLOW, obligations=Obligations(log=level))
    await bench.pipeline().run(send("hello"))
    [(opening, closing)] = bench.recorder.records
    assert closing is not None
    is_kept = level is not LogLevel.NONE
    assert ("sent" in opening.parts, "answer" in closing.parts) == (is_kept, is_kept)


async def test_the_answer_is_kept_even_where_it_passes_untouched() -> None:
    bench = Bench()
    bench.transformer.is_transparent = True
    await bench.pipeline().run(send("hello"))
    [closing] = bench.recorder.closings
    assert closing.parts == {"answer": b"hello"}


async def test_a_plan_keeps_no_content_since_what_it_runs_does() -> None:
    bench = Bench()
    await bench.pipeline().run(send("hello", verb=PLAN))
    [(opening, closing)] = bench.recorder.records
    assert closing is not None
    assert (opening.parts, closing.parts) == ({}, {})


async def test_a_result_that_carries_no_content_has_no_answer_to_keep() -> None:
    bench = Bench(performer=FakePerformer(do=lambda run: 42))
    done = await bench.pipeline().run(send("hello"))
    assert done.result == 42
    assert bench.recorder.closings[0].parts == {}


SEARCH: Verb[Note, Piece, Note] = Verb("search.run", Note, Piece, Note, effect="read", units=("results", "bytes"))
"""A verb that is no model call, with units of its own."""


def search() -> Action[Note, Piece, Note]:
    return replace(send("hello"), verb=SEARCH)


async def test_the_record_tells_what_was_used_in_the_units_of_the_verb_and_how_long_it_took() -> None:
    bench = Bench()

    def work(run: Run[Any, Any, Any]) -> Note:
        bench.clock.advance(1.5)
        run.facts["collection"] = "c1"
        return note("done")

    measures = Measures(
        amounts={"results": 3, "bytes": 0},
        is_estimate=True,
        cost_micros=0,
        currency="USD",
        first_item_us=9,
        facts={"n": 1},
    )
    bench.performers = {SEARCH.name: FakePerformer(do=work, measures=measures)}
    done = await bench.pipeline().run(search())
    [closing] = bench.recorder.closings
    assert closing.duration_us == 1_500_000
    assert closing.facts == {
        "collection": "c1",
        "n": 1,
        "results": 3,
        "bytes": 0,
        "usage_is_estimate": True,
        "cost_micros": 0,
        "currency": "USD",
        "first_item_us": 9,
    }
    assert done.run.measures is bench.admitter.settlements[0].measures is measures


async def test_a_unit_that_the_verb_does_not_declare_fails_the_action_but_is_recorded_and_settled() -> None:
    bench = Bench()
    measures = Measures(amounts={"results": 3, "pages": 2})
    bench.performers = {SEARCH.name: FakePerformer(measures=measures)}
    with pytest.raises(TypeError, match=r"search\.run counts pages, which is not among its units"):
        await bench.pipeline().run(search())
    [closing] = bench.recorder.closings
    assert (closing.outcome, closing.error) == ("failed", "internal_error")
    assert (closing.facts["results"], closing.facts["pages"]) == (3, 2)
    assert [(one.measures, one.performed) for one in bench.admitter.settlements] == [(measures, True)]

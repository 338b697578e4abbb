"""Streams: released item by item, closed inside out, recorded as they really ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect, LogLevel, Obligations
from headgate.kernel.errors import Denied, TooLarge, Unavailable, Upstream, Withheld
from headgate.kernel.labels import Confidentiality, Labels
from headgate.kernel.measures import Measures
from headgate.kernel.run import Run
from headgate.testing.notes import PLAN, SEND, Piece, finding, send
from headgate.testing.people import VISITOR
from headgate.testing.pipeline import Bench
from headgate.testing.ports import AnyAction, FakePerformer

PII = frozenset({"pii"})
THREE = (Piece("a"), Piece("b"), Piece("c", closes=("*",)))


class Relay(FakePerformer):
    """Streams by streaming another action; goes on to the next place where one fails before its first item."""

    def __init__(self, *places: str) -> None:
        super().__init__()
        self._places = places

    def stream(self, run: Run[Any, Any, Any]) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        return self._relay(run)

    @asynccontextmanager
    async def _relay(self, run: Run[Any, Any, Any]) -> AsyncGenerator[AsyncIterator[Any]]:
        async with aclosing(self._pieces(run)) as pieces:
            yield pieces

    async def _pieces(self, run: Run[Any, Any, Any]) -> AsyncGenerator[Any]:
        for place in self._places:
            async with run.stream(SEND, send(to=place).resource, run.payload) as inner:
                try:
                    first = await anext(inner.items)
                except Upstream:
                    continue
                yield first
                async for item in inner.items:
                    yield item
                return


async def texts(bench: Bench, **how: Any) -> list[str]:
    async with bench.pipeline().stream(send("hello Ada", **how)) as stream:
        return [item.text async for item in stream.items]


async def test_a_whole_stream_is_released_recorded_and_settled() -> None:
    bench = Bench(performer=FakePerformer(items=THREE, measures=Measures(cost_micros=4)))
    assert await texts(bench) == ["a", "b", "c"]
    [closing] = bench.recorder.closings
    assert (closing.outcome, closing.parts) == ("done", {"answer": b"a\nb\nc\n"})
    assert [(one.measures.cost_micros, one.performed) for one in bench.admitter.settlements] == [(4, True)]
    assert bench.performer.closed == 1


@pytest.mark.parametrize("is_searchable", [True, False])
async def test_a_record_that_keeps_content_masked_keeps_what_can_be_searched(is_searchable: bool) -> None:
    bench = Bench(performer=FakePerformer(items=THREE))
    bench.decider.decision = Decision(Effect.ALLOW, obligations=Obligations(log=LogLevel.MASKED))
    bench.transformer.keeper_error = None if is_searchable else TooLarge("too many candidates")
    assert await texts(bench) == ["a", "b", "c"]
    await bench.pipeline().run(send("hello Ada"))
    sent = {"sent": b"<masked>"} if is_searchable else {}
    assert [opening.parts for opening in bench.recorder.openings] == [sent, sent]
    streamed, whole = (closing.parts for closing in bench.recorder.closings)
    assert streamed == ({"answer": b"<masked> content/0 True"} if is_searchable else {})
    assert whole == ({"answer": b"<masked>"} if is_searchable else {})


def _seen_by_a_visitor(action: AnyAction) -> AnyAction:
    return replace(action, principal=replace(action.principal, clearance=VISITOR.clearance))


@pytest.mark.parametrize("change", ["denied", "to be approved", "less cleared"])
async def test_a_stream_that_would_be_refused_by_now_ends_before_its_next_item(change: str) -> None:
    bench = Bench(performer=FakePerformer(items=THREE))
    bench.transformer.output = Labels(categories=PII)
    pipeline = bench.pipeline()
    with pytest.raises(Withheld, match="policy no longer allows this action"):
        async with pipeline.stream(send("hello Ada")) as stream:
            assert (await anext(stream.items)).text == "a"
            match change:
                case "denied":
                    bench.decider.decision = Decision(Effect.DENY)
                case "to be approved":
                    bench.decider.decision = Decision(Effect.ASK)
                case _:
                    bench.decider.now = _seen_by_a_visitor
            pipeline.review()
            pipeline.review()
            await anext(stream.items)
    assert bench.recorder.outcomes() == ["withheld"]


async def test_a_stream_goes_on_while_nothing_can_be_decided() -> None:
    bench = Bench(performer=FakePerformer(items=THREE))
    pipeline = bench.pipeline()
    async with pipeline.stream(send("hello Ada")) as stream:
        bench.decider.error = Unavailable("policies are too old")
        pipeline.review()
        assert [item.text async for item in stream.items] == ["a", "b", "c"]
    assert bench.recorder.outcomes() == ["done"]


async def test_an_abandoned_stream_closes_everything_inside_and_its_record() -> None:
    inner = FakePerformer(items=THREE, measures=Measures(cost_micros=4))
    bench = Bench(performers={PLAN.name: Relay("one"), SEND.name: inner})
    async with bench.pipeline().stream(send(verb=PLAN)) as stream:
        assert (await anext(stream.items)).text == "a"
    assert inner.closed == 1
    assert bench.recorder.outcomes() == ["abandoned"]
    assert [one.performed for one in bench.admitter.settlements] == [True, True]


async def test_a_stream_that_is_never_read_is_abandoned() -> None:
    bench = Bench(performer=FakePerformer(items=THREE))
    async with bench.pipeline().stream(send()):
        pass
    assert bench.recorder.outcomes() == ["abandoned"]
    assert bench.recorder.closings[0].parts == {}


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [(Upstream("cut"), "failed", "upstream_error"), (RuntimeError("bug"), "failed", "internal_error")],
)
async def test_a_stream_that_breaks_raises_and_is_recorded_as_failed(error: Exception, outcome: str, code: str) -> None:
    bench = Bench(performer=FakePerformer(items=THREE[:1], error=error, measures=Measures(cost_micros=2)))
    with pytest.raises(type(error)):
        await texts(bench)
    [closing] = bench.recorder.closings
    assert (closing.outcome, closing.error, closing.parts) == (outcome, code, {"answer": b"a\n"})
    assert [(one.measures.cost_micros, one.performed) for one in bench.admitter.settlements] == [(2, True)]
    if isinstance(error, Upstream):
        assert error.record_id == closing.id


async def test_a_failure_that_its_reader_survives_is_recorded_as_a_failure_all_the_same() -> None:
    inner = FakePerformer(error=Upstream("down"))
    bench = Bench(performers={PLAN.name: Relay("one", "two"), SEND.name: inner})
    assert await texts(bench, verb=PLAN) == []
    assert bench.recorder.outcomes(SEND.name) == ["failed", "failed"]
    assert [one.error for one in bench.recorder.closings] == ["upstream_error", "upstream_error", None]


async def test_what_a_reader_does_after_the_end_does_not_change_how_it_ended() -> None:
    bench = Bench(performer=FakePerformer(items=THREE))
    with pytest.raises(ConnectionError):
        async with bench.pipeline().stream(send()) as stream:
            assert len([item async for item in stream.items]) == 3
            raise ConnectionError
    assert bench.recorder.outcomes() == ["done"]


async def test_a_reader_that_fails_in_the_middle_leaves_a_failed_record() -> None:
    bench = Bench(performer=FakePerformer(items=THREE))
    with pytest.raises(ConnectionError):
        async with bench.pipeline().stream(send()) as stream:
            await anext(stream.items)
            raise ConnectionError
    assert bench.recorder.outcomes() == ["failed"]


async def test_what_was_masked_is_restored_in_the_stream_but_not_in_the_record() -> None:
    bench = Bench(performer=FakePerformer(items=(Piece("dear "), Piece("<pii-1>"))))
    bench.labeller.labelled = Labelled(Labels(categories=PII), (finding("pii", 6, 9),))
    bench.decider.decision = Decision(Effect.ALLOW, obligations=Obligations(mask=PII))
    assert await texts(bench) == ["dear ", "Ada"]
    [closing] = bench.recorder.closings
    assert closing.parts == {"answer": b"dear \n<pii-1>\n"}
    assert closing.facts["restored"] == 1


async def test_a_stream_refused_on_the_way_in_raises_on_entering() -> None:
    bench = Bench()
    bench.decider.decision = Decision(Effect.DENY)
    with pytest.raises(Denied):
        async with bench.pipeline().stream(send()):
            pytest.fail("it must not be entered")
    assert bench.recorder.outcomes() == ["refused"]


async def test_a_receiver_who_may_not_see_the_context_gets_no_stream() -> None:
    bench = Bench(performer=FakePerformer(items=THREE))
    with pytest.raises(Denied, match="may not be released"):
        await texts(bench, principal=VISITOR, floor=Labels(confidentiality=Confidentiality.INTERNAL))
    assert bench.performer.runs == []
    assert bench.recorder.outcomes() == ["refused"]


async def test_labels_that_rise_in_the_middle_of_a_stream_end_it_before_the_item_is_released() -> None:
    bench = Bench(performer=FakePerformer(items=THREE))
    bench.transformer.output = [Labels(), Labels(categories=PII)]
    seen: list[str] = []
    with pytest.raises(Denied, match="not cleared for pii"):
        async with bench.pipeline().stream(send(principal=VISITOR)) as stream:
            async for item in stream.items:
                seen.append(item.text)
    assert seen == ["a"]
    assert bench.recorder.outcomes() == ["withheld"]


async def test_labels_that_rise_with_what_was_held_back_end_the_stream_before_it_is_released() -> None:
    bench = Bench(performer=FakePerformer(items=THREE))

    def rising() -> tuple[Piece, ...]:
        bench.transformer.exchanges[0].output_labels = Labels(categories=PII)
        return (Piece("held"),)

    seen: list[str] = []
    with pytest.raises(Withheld, match="not cleared for pii"):
        async with bench.pipeline().stream(send(principal=VISITOR)) as stream:
            bench.transformer.exchanges[0].finish = rising
            async for item in stream.items:
                seen.append(item.text)
    assert seen == ["a", "b", "c"]
    assert bench.recorder.outcomes() == ["withheld"]


async def test_a_receiver_who_is_cleared_sees_the_whole_stream_and_its_labels_are_recorded() -> None:
    bench = Bench(performer=FakePerformer(items=THREE))
    bench.transformer.output = [Labels(), Labels(categories=PII)]
    assert await texts(bench) == ["a", "b", "c"]
    assert bench.recorder.closings[0].labels == Labels(categories=PII)


async def test_what_was_held_back_is_released_at_the_end() -> None:
    bench = Bench(performer=FakePerformer(items=THREE))
    pipeline = bench.pipeline()
    async with pipeline.stream(send()) as stream:
        bench.transformer.exchanges[0].finish = lambda: (Piece("held"),)
        assert [item.text async for item in stream.items] == ["a", "b", "c", "held"]


async def test_a_transparent_stream_passes_untouched_and_is_kept() -> None:
    bench = Bench(performer=FakePerformer(items=THREE))
    bench.transformer.is_transparent = True
    async with bench.pipeline().stream(send()) as stream:
        assert [item async for item in stream.items] == list(THREE)
    assert bench.recorder.closings[0].parts == {"answer": b"a\nb\nc\n"}


async def test_a_stream_whose_content_policy_forbids_to_keep_is_not_kept() -> None:
    bench = Bench(performer=FakePerformer(items=THREE))
    bench.decider.decision = Decision(Effect.ALLOW, obligations=Obligations(log=LogLevel.NONE))
    await texts(bench)
    assert bench.recorder.closings[0].parts == {}


async def test_at_most_a_mebibyte_of_a_stream_is_kept() -> None:
    bench = Bench(performer=FakePerformer(items=(Piece("x" * 1_000_000), Piece("y" * 100_000), Piece("z"))))
    assert len(await texts(bench)) == 3
    assert len(bench.recorder.closings[0].parts["answer"]) == 1_000_001

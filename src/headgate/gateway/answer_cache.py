"""The store of the exact cache: answers in the memory of one worker, bounded in size and time.

Answers stay in memory, so none lies on a disk that erasure would have to find. A restart and the end of their time
delete them. Workers share nothing: with N workers an answer is asked for up to N times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headgate.kernel.identity import Principal, RecordId
from headgate.kernel.labels import Clearance, Labels
from headgate.kernel.ports import Clock
from headgate.wire.model_call import ModelEvent, ModelReply

_MOST_BYTES: Final = 64 << 20
_LARGEST_ANSWER_BYTES: Final = 1 << 20
_OBJECTS: Final = 6
"""The memory of a parsed answer, in multiples of its bytes."""
_OBJECT_BYTES: Final = 600


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer: whole, or as the events of a stream.

    Args:
        labels: of the answer with its context.
        deployment: the deployment that gave it.
        record: the record of the call that it answered.
        cost_micros: what that call cost in `currency`; None where it is not known.
    """

    reply: ModelReply | None
    events: tuple[ModelEvent, ...]
    labels: Labels
    deployment: str
    record: RecordId
    kept_s: float
    until_s: float
    cost_micros: int | None
    currency: str | None

    @property
    def size_bytes(self) -> int:
        """Its approximate memory."""
        reply = 0 if self.reply is None else len(self.reply.content.to_bytes())
        events = sum(len(event.data) for event in self.events)
        return _OBJECTS * (reply + events) + _OBJECT_BYTES * (1 + len(self.events))


class AnswerCache:
    """Keeps answers by key, and at most one flight for each key. One for a worker.

    Args:
        most_bytes: the memory for all answers. The ones that were used longest ago leave first.
    """

    def __init__(self, clock: Clock, *, most_bytes: int = _MOST_BYTES) -> None:
        self._clock = clock
        self._most_bytes = most_bytes
        self._answers: dict[bytes, CachedAnswer] = {}
        self._size_bytes = 0
        self._flights: dict[bytes, asyncio.Event] = {}

    def find(
        self, key: bytes, *, principal: Principal, clearance: Clearance, candidates: Sequence[str]
    ) -> CachedAnswer | None:
        """Return an answer that this principal may have.

        Args:
            clearance: the limit of the alias's cache.
            candidates: the deployments that may answer the call now.
        """
        answer = self._answers.pop(key, None)
        if answer is None:
            return None
        if answer.until_s <= self._clock.monotonic():
            self._size_bytes -= answer.size_bytes
            return None
        self._answers[key] = answer  # the last one is the one that was used last
        may_flow = answer.labels.flows_to(principal.clearance) and answer.labels.flows_to(clearance)
        return answer if may_flow and answer.deployment in candidates else None

    def keep(self, key: bytes, answer: CachedAnswer) -> None:
        """Keep an answer, unless it is too large."""
        old = self._answers.pop(key, None)
        if old is not None:
            self._size_bytes -= old.size_bytes
        size_bytes = answer.size_bytes
        if size_bytes > min(_LARGEST_ANSWER_BYTES * _OBJECTS, self._most_bytes):
            return
        self._answers[key] = answer
        self._size_bytes += size_bytes
        while self._size_bytes > self._most_bytes:
            self._size_bytes -= self._answers.pop(next(iter(self._answers))).size_bytes

    def flight(self, key: bytes) -> asyncio.Event | None:
        """Return the event that ends the call in flight for a key, or None without one."""
        return self._flights.get(key)

    def begin(self, key: bytes) -> asyncio.Event:
        """Note a call in flight, which later equal calls wait for."""
        flight = self._flights[key] = asyncio.Event()
        return flight

    def end(self, key: bytes, flight: asyncio.Event) -> None:
        """End a flight, with or without an answer."""
        if self._flights.get(key) is flight:
            del self._flights[key]
        flight.set()

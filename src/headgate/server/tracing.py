"""OpenTelemetry spans made from records, one for each action."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.kernel.export import EXPORT_SEND
from headgate.kernel.ports import Recorder, Ticket
from headgate.kernel.record import Closing, Fact, Opening
from headgate.substrate.telemetry import Span, SpanExporter, Value

_BASE32 = {char: value for value, char in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
_FACTS = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "deployment": "headgate.deployment",
    "attempt": "headgate.attempt",
    "cost_micros": "headgate.cost_micros",
    "currency": "headgate.currency",
}
_OPERATIONS = {"model.invoke": "invoke", "model.pass_through": "invoke", "model.dispatch": "chat"}


class TracingRecorder:
    """A recorder that exports a span for each closed record and passes records on.

    Exports get no span, because each would cause the next export. A ULID has as many bits as a trace id, so the id of
    a chain's first record is the trace id.
    """

    def __init__(self, recorder: Recorder, exporter: SpanExporter) -> None:
        self._recorder = recorder
        self._exporter = exporter
        self._open: dict[str, Opening] = {}

    def open(self, opening: Opening) -> Ticket:
        """As `Recorder.open`."""
        ticket = self._recorder.open(opening)
        if opening.verb != EXPORT_SEND.name:
            self._open[opening.id] = opening
        return ticket

    def close(self, closing: Closing) -> Ticket:
        """As `Recorder.close`."""
        opening = self._open.pop(closing.id, None)
        if opening is not None:
            self._exporter.add(_span(opening, closing))
        return self._recorder.close(closing)


def _span(opening: Opening, closing: Closing) -> Span:
    within = closing.within
    if within is not None:
        opening = opening._replace(**within._asdict())
    kind, _, name = opening.resource.partition(":")
    attributes: dict[str, Value] = {
        "headgate.record": opening.id,
        "headgate.tenant": opening.tenant,
        "headgate.use_case": opening.use_case,
        "headgate.effect": opening.effect,
        "headgate.outcome": closing.outcome,
        "headgate.policy_version": opening.policy_version,
        **_known({**opening.facts, **closing.facts}),
    }
    if opening.verb in _OPERATIONS:
        attributes["gen_ai.operation.name"] = _OPERATIONS[opening.verb]
        attributes["gen_ai.request.model"] = name
    if closing.error is not None:
        attributes["error.type"] = closing.error
    return Span(
        trace_id=f"{_number(opening.root or opening.id):032x}",
        span_id=_span_id(opening.id),
        parent_id=_span_id(opening.parent) if opening.parent else None,
        name=f"{opening.verb} {name}" if kind in ("alias", "deployment") else opening.verb,
        started_at=opening.opened_at,
        ended_at=closing.closed_at,
        tenant=opening.tenant,
        is_error=closing.outcome not in ("done", "abandoned"),
        attributes=attributes,
    )


def _known(facts: Mapping[str, Fact]) -> dict[str, Value]:
    return {_FACTS[name]: value for name, value in facts.items() if name in _FACTS and value is not None}


def _span_id(record: str) -> str:
    return f"{_number(record) & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def _number(ulid: str) -> int:
    number = 0
    for char in ulid:
        number = number << 5 | _BASE32.get(char, 0)
    return number & ((1 << 128) - 1)

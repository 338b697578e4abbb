"""Metrics of model calls, taken from their records.

A call is one series for each alias, deployment, use case and outcome. Every label value is a name of the configuration
or `other`, and the number of series is limited, so that callers cannot create series with made-up names.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from headgate.kernel.ports import Recorder, Ticket
from headgate.kernel.record import Closing, Fact, Opening
from headgate.server.failed_calls import log_failed_call
from headgate.server.metrics import Family, Sample
from headgate.wire.model_call import MODEL_DISPATCH, MODEL_INVOKE, MODEL_PASS

_CALLS = frozenset({MODEL_INVOKE.name, MODEL_PASS.name})

OTHER = "other"
NO_RULE = "none"
"""The rule of refusals where nothing allowed the action."""

MOST_SERIES = 400
"""Series of calls of one worker. Later ones count as `other`."""

_MOST_VALUES = 200
_MASKED = "masked."
_MASKED_CHARS = len(_MASKED)
_FAILED = frozenset({"failed", "in_doubt", "interrupted"})

IsKnown = Callable[[str, str, str], bool]
"""Tells whether a tenant has a name of a kind: `is_known(kind, tenant, name)`."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_QUEUE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_TOKENS = (16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0)
_COST = (0.00001, 0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
_MICRO = 1_000_000


class Measured(NamedTuple):
    """A histogram of calls: its name, help, the fact that it counts, the fact's units in one unit, and its buckets."""

    name: str
    help: str
    fact: str
    scale: int
    bounds: tuple[float, ...]


LATENCY = Measured("headgate_call_duration_seconds", "Time to answer a call.", "", _MICRO, _SECONDS)
COST = Measured("headgate_call_cost", "Cost of a call, in the currency of its price.", "cost_micros", _MICRO, _COST)
FACTS = (
    Measured(
        "headgate_call_first_token_seconds",
        "Time until the answer began.",
        "first_item_us",
        _MICRO,
        _SECONDS,
    ),
    Measured(
        "headgate_call_queue_seconds",
        "Time in Headgate before a call was sent to its deployment.",
        "sent_us",
        _MICRO,
        _QUEUE_SECONDS,
    ),
    Measured("headgate_call_input_tokens", "Tokens of the prompt.", "input_tokens", 1, _TOKENS),
    Measured("headgate_call_output_tokens", "Tokens of the answer.", "output_tokens", 1, _TOKENS),
)


class Histogram:
    """Counts of values by bucket, and their sum. Values are whole units, such as microseconds."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, measured: Measured) -> None:
        self._bounds = tuple(bound * measured.scale for bound in measured.bounds)
        self.counts = [0] * (len(self._bounds) + 1)
        self.total = 0

    def add(self, value: int) -> None:
        """Count a value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class CallKey(NamedTuple):
    """The labels of a series of calls."""

    tenant: str
    alias: str
    deployment: str
    use_case: str
    outcome: str


class CallSeries:
    """The histograms of the calls with the same labels."""

    __slots__ = ("costs", "facts", "latency")

    def __init__(self) -> None:
        self.latency = Histogram(LATENCY)
        self.facts = tuple((measured.fact, Histogram(measured)) for measured in FACTS)
        self.costs: dict[str, Histogram] = {}

    def observe(self, closing: Closing) -> None:
        """Count one call."""
        facts = closing.facts
        self.latency.add(closing.duration_us)
        for name, histogram in self.facts:
            value = facts.get(name)
            if value is not None:
                histogram.add(int(value))
        cost = facts.get("cost_micros")
        if cost is not None:
            currency = str(facts.get("currency") or "")
            if currency not in self.costs:
                self.costs[currency] = Histogram(COST)
            self.costs[currency].add(int(cost))

    @property
    def count(self) -> int:
        """Number of calls."""
        return sum(self.latency.counts)


class Totals(NamedTuple):
    """Numbers of calls since the worker started."""

    calls: int
    failed: int
    refused: int


class CallMetrics:
    """The metrics of one worker's actions; they start at zero with it.

    Attributes:
        is_known: tells whether a name is configured. Until it is set, every name counts as `other`.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.is_known: IsKnown = lambda kind, tenant, name: False
        self._series: dict[CallKey, CallSeries] = {}
        self._attempts: Counter[tuple[str, str, str]] = Counter()
        self._fallbacks: Counter[tuple[str, str]] = Counter()
        self._cache: Counter[tuple[str, str, str]] = Counter()
        self._hedges: Counter[tuple[str, str, str]] = Counter()
        self._masked: Counter[tuple[str, str]] = Counter()
        self._refusals: Counter[tuple[str, str]] = Counter()

    def close(self, opening: Opening, closing: Closing) -> None:
        """Count a closed record of any action."""
        self.outcomes[closing.outcome] += 1
        is_model = opening.verb in _CALLS
        if is_model or opening.verb == MODEL_DISPATCH.name:
            self._attempt(opening, closing)
        if closing.within is not None or opening.parent is not None:
            return
        if is_model:
            self._call(opening, closing)
        if closing.outcome == "refused":
            mistake = NO_RULE if closing.error in (None, "denied") else closing.error
            self._refusal(opening.tenant, str(closing.facts.get("refused_by") or mistake))

    def totals(self) -> Totals:
        """Return the numbers of calls so far."""
        by_outcome: Counter[str] = Counter()
        for key, series in self._series.items():
            by_outcome[key.outcome] += series.count
        failed = sum(by_outcome[outcome] for outcome in _FAILED)
        return Totals(by_outcome.total(), failed, by_outcome["refused"])

    def families(self) -> Iterator[Family]:
        """Return a copy of the metrics."""
        yield Family("headgate_actions", "counter", "Actions by outcome.", ("outcome",), _samples_of(self.outcomes))
        yield from self._histograms()
        counters: tuple[tuple[str, str, tuple[str, ...], Mapping[tuple[str, ...], int]], ...] = (
            ("headgate_attempts", "Attempts at a deployment.", ("deployment", "outcome"), self._attempts),
            ("headgate_fallbacks", "Further attempts of calls after a failed one.", ("alias",), self._fallbacks),
            (
                "headgate_cache",
                "Calls that met a cache: hit, miss, bypass or stored.",
                ("alias", "result"),
                self._cache,
            ),
            (
                "headgate_hedges",
                "Second attempts beside a slow first one: sent or won.",
                ("alias", "result"),
                self._hedges,
            ),
            ("headgate_masked_values", "Masked values by kind.", ("kind",), self._masked),
            ("headgate_refusals", "Refused actions by rule, limit or mistake.", ("rule",), self._refusals),
        )
        for name, text, labels, counts in counters:
            samples = [Sample(key, float(count)) for key, count in sorted(counts.items())]
            yield Family(name, "counter", text, ("tenant", *labels), samples)

    def _call(self, opening: Opening, closing: Closing) -> None:
        facts = closing.facts
        alias = opening.resource[6:]  # after `alias:`; a slice, as this is done for every call
        key = CallKey(opening.tenant, alias, str(facts.get("deployment") or ""), opening.use_case, closing.outcome)
        series = self._series.get(key) or self._series_of(key)
        series.observe(closing)
        attempts = facts.get("attempts")
        if attempts is not None and attempts != 1:
            self._fallbacks[key.tenant, self._name("alias", key.tenant, alias)] += int(attempts) - 1
        if "cache" in facts or "hedges" in facts:
            self._helps(key.tenant, self._name("alias", key.tenant, alias), facts)
        for name in facts:
            if name[:_MASKED_CHARS] == _MASKED:
                _count(self._masked, opening.tenant, name[_MASKED_CHARS:], by=int(facts[name] or 0))
        if closing.outcome in _FAILED:
            log_failed_call(opening, closing)

    def _helps(self, tenant: str, alias: str, facts: Mapping[str, Fact]) -> None:
        """Count what the cache and hedging did for a call."""
        if "cache" in facts:
            self._cache[tenant, alias, str(facts["cache"])] += 1
        if facts.get("cache_stored"):
            self._cache[tenant, alias, "stored"] += 1
        if "hedges" in facts:
            self._hedges[tenant, alias, "sent"] += 1
        if facts.get("hedge_won"):
            self._hedges[tenant, alias, "won"] += 1

    def _series_of(self, key: CallKey) -> CallSeries:
        """Return the series of labels that were not seen before, or the one of the labels that stand for them."""
        known = key._replace(
            alias=self._name("alias", key.tenant, key.alias),
            deployment=self._name("deployment", key.tenant, key.deployment),
            use_case=self._name("use case", key.tenant, key.use_case),
        )
        if known not in self._series and len(self._series) >= MOST_SERIES:
            known = known._replace(tenant=OTHER, alias=OTHER, deployment=OTHER, use_case=OTHER)
        return self._series.setdefault(known, CallSeries())

    def _attempt(self, opening: Opening, closing: Closing) -> None:
        deployment = closing.facts.get("deployment")
        if deployment is None or "attempt" not in closing.facts:
            return
        key = (opening.tenant, str(deployment), closing.outcome)
        if key not in self._attempts:
            key = (opening.tenant, self._name("deployment", opening.tenant, str(deployment)), closing.outcome)
        self._attempts[key] += 1

    def _refusal(self, tenant: str, rules: str) -> None:
        for rule in rules.split(","):
            _count(self._refusals, tenant, rule)

    def _name(self, kind: str, tenant: str, name: str) -> str:
        return name if not name or self.is_known(kind, tenant, name) else OTHER

    def _histograms(self) -> Iterator[Family]:
        labels = CallKey._fields
        series = list(self._series.items())
        latency = [_sample(key, one.latency, LATENCY) for key, one in series]
        yield Family(LATENCY.name, "histogram", LATENCY.help, labels, latency, LATENCY.bounds)
        for place, measured in enumerate(FACTS):
            samples = [
                _sample(key, one.facts[place][1], measured) for key, one in series if any(one.facts[place][1].counts)
            ]
            yield Family(measured.name, "histogram", measured.help, labels, samples, measured.bounds)
        costs = [_sample((*key, currency), cost, COST) for key, one in series for currency, cost in one.costs.items()]
        yield Family(COST.name, "histogram", COST.help, (*labels, "currency"), costs, COST.bounds)


class MeasuringRecorder:
    """A recorder that measures closed records and passes records on."""

    def __init__(self, recorder: Recorder, metrics: CallMetrics) -> None:
        self._recorder = recorder
        self._metrics = metrics
        self._open: dict[str, Opening] = {}

    def open(self, opening: Opening) -> Ticket:
        """As `Recorder.open`."""
        ticket = self._recorder.open(opening)
        self._open[opening.id] = opening
        return ticket

    def close(self, closing: Closing) -> Ticket:
        """As `Recorder.close`."""
        opening = self._open.pop(closing.id, None)
        if opening is not None:
            self._metrics.close(opening, closing)
        return self._recorder.close(closing)


def _count(counter: Counter[tuple[str, str]], tenant: str, value: str, *, by: int = 1) -> None:
    """Count under a value, or under `other` once there are too many values."""
    key = (tenant, value)
    if key not in counter and len(counter) >= _MOST_VALUES:
        key = (tenant, OTHER)
    counter[key] += by


def _sample(labels: tuple[str, ...], histogram: Histogram, measured: Measured) -> Sample:
    return Sample(labels, histogram.total / measured.scale, tuple(histogram.counts))


def _samples_of(counts: Mapping[str, int]) -> list[Sample]:
    return [Sample((name,), float(count)) for name, count in sorted(counts.items())]

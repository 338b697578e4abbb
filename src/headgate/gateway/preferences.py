"""The preference of an alias: the order in which its candidates are tried, and why.

Constraints come first: a preference orders only deployments that the call may go to.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from itertools import islice, takewhile
from typing import NamedTuple

from headgate.gateway.catalogue import Alias
from headgate.gateway.difficulty import Difficulty, difficulty_of, tier_of
from headgate.gateway.pace import Pace
from headgate.gateway.pricing import likely_micros
from headgate.kernel.identity import Principal
from headgate.wire.model_call import Deployment, ModelCall

_OPENING_SEGMENTS = 16
_OPENING_CHARS = 2_000


class Ordered(NamedTuple):
    """Candidates in the preferred order.

    Args:
        scores: a few words for each candidate, in the same order, for the record.
        difficulty: of the call, where the preference asks for it.
    """

    candidates: tuple[Deployment, ...]
    scores: tuple[str, ...]
    difficulty: Difficulty | None = None


class _Scored(NamedTuple):
    rank: float
    words: str


_Score = Callable[[Deployment], _Scored]


def ordered(
    candidates: tuple[Deployment, ...], call: ModelCall, *, alias: Alias, caller: Principal, pace: Pace
) -> Ordered:
    """Return the candidates by the alias's preference. Equal ones keep the alias's order."""
    if alias.prefer == "auto":
        return _by_difficulty(candidates, call, alias=alias)
    score = _score_of(call, alias=alias, caller=caller, pace=pace)
    scored = [(score(deployment), deployment) for deployment in candidates]
    scored.sort(key=lambda one: one[0].rank)
    return Ordered(tuple(one for _, one in scored), tuple(f"{one.id}: {told.words}" for told, one in scored))


def _score_of(call: ModelCall, *, alias: Alias, caller: Principal, pace: Pace) -> _Score:
    match alias.prefer:
        case "weighted":
            return _by_weight(call, alias=alias, caller=caller)
        case "cheapest":
            return lambda deployment: _by_price(call, deployment)
        case "fastest":
            return lambda deployment: _by_time(call, deployment, caller=caller, pace=pace)
        case "least_loaded":
            return lambda deployment: _by_load(deployment, caller=caller, pace=pace)
        case "order" | "auto":
            return lambda _: _Scored(0, "")


def _by_difficulty(candidates: tuple[Deployment, ...], call: ModelCall, *, alias: Alias) -> Ordered:
    """Put the tier of the call's difficulty first, then the dearer ones, then the cheaper ones, dearest first."""
    difficulty = difficulty_of(call)
    tier = tier_of(difficulty.score, threshold=alias.threshold, tiers=len(candidates))
    chosen = (*candidates[tier:], *reversed(candidates[:tier]))
    side = "below" if difficulty.score < alias.threshold else "at or above"
    words = f"difficulty {difficulty.score} is {side} the threshold {alias.threshold}"
    scores = (f"{chosen[0].id}: {words}", *(one.id for one in chosen[1:]))
    return Ordered(chosen, scores, difficulty)


def _by_weight(call: ModelCall, *, alias: Alias, caller: Principal) -> _Score:
    """Draw by weight. One conversation of a caller draws the same, so that prompt caches stay warm.

    Source: weighted rendezvous hashing, Schindelhauer and Schomaker 2005.
    """
    conversation = _conversation(call, caller)

    def score(deployment: Deployment) -> _Scored:
        weight = alias.weights.get(deployment.id, 1)
        if weight == 0:
            return _Scored(math.inf, "weight 0")
        drawn = hashlib.blake2b(deployment.id.encode(), key=conversation, digest_size=8).digest()
        uniform = (int.from_bytes(drawn, "big") + 1) / (2**64 + 1)
        return _Scored(-math.log(uniform) / weight, f"weight {weight}")

    return score


def _conversation(call: ModelCall, caller: Principal) -> bytes:
    """Return a key for the conversation: its caller and the texts before the first answer, which every turn repeats."""
    digest = hashlib.blake2b(f"{caller.tenant}\n{caller.id}\n{call.model}\n".encode(), digest_size=32)
    before_answer = takewhile(lambda one: one.origin not in ("assistant", "tool"), call.content.segments())
    opening = (one.text for one in before_answer if one.origin in ("system", "user"))
    for text in islice(opening, _OPENING_SEGMENTS):
        digest.update(text[:_OPENING_CHARS].encode(errors="surrogatepass") + b"\0")
    return digest.digest()


def _by_price(call: ModelCall, deployment: Deployment) -> _Scored:
    """Rank by the likely cost of this call. Currencies are not converted: unlike ones keep their order."""
    micros = likely_micros(call, deployment)
    if micros is None or deployment.price is None:
        return _Scored(math.inf, "price unknown")
    return _Scored(micros, f"about {micros / 1_000_000:.6f} {deployment.price.currency}")


def _by_time(call: ModelCall, deployment: Deployment, *, caller: Principal, pace: Pace) -> _Scored:
    """Rank by the measured time to an answer. An unmeasured deployment gets one call at a time to measure it."""
    seconds = pace.seconds(deployment, tenant=caller.tenant, streams=call.stream)
    if seconds is not None:
        return _Scored(
            seconds, f"{seconds:.3f} s to the first content" if call.stream else f"{seconds:.3f} s to answer"
        )
    is_measuring = pace.in_flight(deployment, tenant=caller.tenant) > 0
    return _Scored(math.inf, "being measured") if is_measuring else _Scored(-1, "not measured yet")


def _by_load(deployment: Deployment, *, caller: Principal, pace: Pace) -> _Scored:
    calls = pace.in_flight(deployment, tenant=caller.tenant)
    return _Scored(calls, f"{calls} calls in flight")

"""What a governed request costs does not creep up: work is counted, so that no clock and no neighbour decides."""

from __future__ import annotations

from headgate.testing.house import House
from headgate.testing.work import VERSION, budget, measure

_SLACK = 1.1


async def test_no_kind_of_request_takes_over_a_tenth_more_work_than_is_written_down(house: House) -> None:
    allowed = budget()
    # A version that nobody measured yet is held to what every version counts in the same way.
    known = allowed.get(VERSION) or {kind: {"python": work["python"]} for kind, work in allowed["3.11"].items()}
    measured = await measure(house)
    assert measured.keys() == known.keys()
    over = [
        f"{kind}: {measured[kind][sort]:,} calls in {sort}, {limit:,} are written down"
        for kind, limits in known.items()
        for sort, limit in limits.items()
        if measured[kind][sort] > limit * _SLACK
    ]
    assert not over, "make it cheaper, or say why it is worth it and write the budget anew (make budget)"


async def test_the_same_request_is_the_same_work(house: House) -> None:
    first, again = await measure(house), await measure(house)
    for kind, work in first.items():
        for sort, calls in work.items():
            # On a slow machine a request also syncs the closing of the request before it: about 30 calls.
            assert abs(again[kind][sort] - calls) <= 0.05 * calls, (kind, sort)

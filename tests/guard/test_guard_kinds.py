"""What detectors declare of the kinds of values that they find is what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from tests.guard.test_guard_exchange import call, exchange, sent, whole

from headgate.guard import Engine
from headgate.kernel.detection import ANY, Candidate, DetectorManifest, Hit, Kind, Pattern
from headgate.kernel.errors import Conflict, Invalid

CODE = 123456789012


class _Codes:
    """Finds twelve digits and `X-` with four, of the kinds that a test declares."""

    def __init__(self, *kinds: Kind) -> None:
        self.manifest = DetectorManifest("detectors", "codes", "Codes.", kinds=kinds)
        self.patterns = (Pattern("code", r"\b[0-9]{12}\b"), Pattern("door", r"\bX-[0-9]{4}\b"))

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        return (Hit(candidate.start, candidate.end, candidate.pattern, 0.9),)


def test_a_hit_has_the_category_of_its_kind_then_of_any_then_of_the_first() -> None:
    text = f"{CODE} X-1234"
    for kinds, categories in (
        ((Kind("code", "hr"), Kind("door", "site")), ["hr", "site"]),
        ((Kind("code", "hr"), Kind(ANY, "site")), ["hr", "site"]),
        ((Kind("door", "site"),), ["site", "site"]),
    ):
        engine = Engine({"codes": _Codes(*kinds)})
        assert [one.category for one in engine.scan_text(text)] == categories
        assert engine.categories == set(categories) == engine.kinds.categories


def test_a_number_that_is_masked_for_good_stays_a_token_wherever_it_stands() -> None:
    engine = Engine({"codes": _Codes(Kind("code", "pci", word="CODE", is_restored=False))})
    made = exchange(engine, call(json.dumps({"code": CODE, "text": f"code {CODE}"})))
    (said,) = sent(made)
    assert "HGX_CODE_" in said and str(CODE) not in said
    assert whole(made, said) == said
    assert made.closing_facts()["withheld.code"] == 2


def test_a_detector_that_declares_nothing_is_refused() -> None:
    with pytest.raises(Invalid, match="codes declares no kind"):
        Engine({"codes": _Codes()})


def test_two_detectors_declare_one_kind_alike_or_not_at_all() -> None:
    one = _Codes(Kind("code", "hr"))
    assert Engine({"codes": one, "more": _Codes(Kind("code", "hr"))}).categories == {"hr"}
    assert Engine({"codes": one, "more": _Codes(Kind("code", "pii", word="C"))}).categories == {"hr", "pii"}
    with pytest.raises(Conflict, match="more declares code otherwise"):
        Engine({"codes": one, "more": _Codes(Kind("code", "hr", word="STAFF"))})

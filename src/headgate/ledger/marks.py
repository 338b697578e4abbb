"""Marks: the search terms of records, for what a record has several of or seldom has.

rule:ID                a rule that matched, and a rule or a check of the code that refused
within:rule:ID         of a call: a rule that matched it or one of its attempts
category:NAME          a category of the input or output labels
destination:KIND:ID    where a call went that is named after what was asked
masked, masked:KIND    a masked value, of any kind or of one
error:CODE, word:WORD  the error of an action that did not end well, and each word of its reason
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from headgate.kernel.errors import Corrupt
from headgate.ledger.leaves import ClosedLeaf, Leaf, LeafLabels, LeafRule

_RULE = "rule:"
_WITHIN = "within:"
WITHIN_RULE = _WITHIN + _RULE
"""The prefix of the marks of calls for rules that matched them or their attempts."""

_MASKED = "masked"
_WORD = "word:"
_WORDS = re.compile(r"\w[\w.@-]*\w")
_MOST_WORDS = 40

_rules = msgspec.json.Decoder(tuple[LeafRule, ...])
_labels = msgspec.json.Decoder(LeafLabels)


def marks_of(leaf: Leaf) -> list[str]:
    """Return the marks of a record: search terms for rules, categories, destination, masked values and failures."""
    marks = _marks(leaf.rules, (leaf.labels, leaf.output_labels))
    return _with_facts(marks, leaf)


def destination_mark(destination: str) -> str:
    """The mark of records that went to a destination, such as `deployment:gpt`, and are named after what was asked."""
    return f"destination:{destination}"


def masked_mark(kind: str) -> str:
    """The mark of records in which a value was masked: of one kind, such as `email`, or of `any`."""
    return _MASKED if kind == "any" else f"{_MASKED}:{kind}"


def error_mark(code: str) -> str:
    """The mark of records that ended with an error."""
    return f"error:{code}"


def word_marks(text: str) -> list[str]:
    """The marks for the words of a text. Records that did not end well have those of their reason."""
    return [_WORD + word for word in dict.fromkeys(_WORDS.findall(text.lower()))][:_MOST_WORDS]


def within_call(mark: str) -> str:
    """The mark that a call has for a rule that matched it or one of its attempts; any other mark as it is."""
    return _WITHIN + mark if mark.startswith(_RULE) else mark


def _with_facts(marks: Sequence[str], leaf: Leaf | ClosedLeaf) -> list[str]:
    refusing = [_RULE + rule for rule in str(leaf.closing_facts.get("refused_by") or "").split(",") if rule]
    more = _marks_of_facts({**leaf.facts, **leaf.closing_facts}, leaf)
    return [*dict.fromkeys((*marks, *refusing)), *more] if refusing else [*marks, *more]


def _marks_of_facts(facts: Mapping[str, Any], leaf: Leaf | ClosedLeaf) -> list[str]:
    marks: list[str] = []
    destination = facts.get("destination")
    if not destination and not leaf.parent and "deployment" in facts:
        # A call with several attempts is found by the deployment that answered.
        destination = f"deployment:{facts['deployment']}"
    if destination:
        marks.append(destination_mark(str(destination)))
    masked = [name for name in facts if name.startswith("masked.")]
    if masked:
        marks += [_MASKED, *(masked_mark(name.removeprefix("masked.")) for name in masked)]
    if leaf.error:
        marks.append(error_mark(leaf.error))
        marks += word_marks(f"{leaf.error} {facts.get('reason', '')}")
    return marks


def _marks(rules: Sequence[LeafRule], labels: Sequence[LeafLabels | None]) -> list[str]:
    categories = {category for some in labels if some is not None for category in some.categories}
    return [*{_RULE + rule.id for rule in rules}, *(f"category:{category}" for category in categories)]


def marks_of_closed(leaf: ClosedLeaf) -> list[str]:
    """Return the marks of a record from the columns of its leaf; see `marks_of`."""
    marks = _remembered_marks(bytes(leaf.rules), bytes(leaf.labels), bytes(leaf.output_labels))
    return _with_facts(marks, leaf)


@lru_cache(maxsize=1024)
def _remembered_marks(rules: bytes, labels: bytes, output_labels: bytes) -> list[str]:
    """Return the marks of these fields of a leaf, with a cache."""
    try:
        return _marks(_rules.decode(rules), (_labels.decode(labels), _labels.decode(output_labels)))
    except msgspec.MsgspecError as problem:
        raise Corrupt(f"A record has invalid rules or labels: {problem}.") from problem

"""A record as text for a terminal, and its labels in words."""

from __future__ import annotations

from typing import Any

from headgate.ledger.leaves import LeafLabels
from headgate.ledger.record_text import record_text
from headgate.ledger.views import labels_text

PIECE: dict[str, Any] = {"kind": "text", "name": "", "text": "", "pieces": []}
RECORD: dict[str, Any] = {
    "id": "01",
    "outcome": None,
    "told": "",
    "facts": {},
    "who": None,
    "principal": "p_x",
    "key": None,
    "use_case": "support",
    "opened_at": "2026-11-29T08:00:00Z",
    "verb": "model.invoke",
    "resource": "alias:smart",
    "duration_us": None,
    "rules": [],
    "leaf_index": None,
}


def test_tools_pictures_files_and_what_is_withheld_are_named() -> None:
    sent: list[dict[str, Any]] = [
        {**PIECE, "kind": "tool_result", "pieces": [{**PIECE, "text": "42"}]},
        {**PIECE, "kind": "image"},
        {**PIECE, "kind": "file", "name": "plan.pdf"},
    ]
    conversation: dict[str, Any] = {
        "sent": [{"role": "user", "pieces": sent}],
        "answer": [{**PIECE, "text": "So"}],
        "is_whole": False,
    }
    parts = [
        {"name": "sent", "withheld": "above your clearance", "erased": False},
        {"name": "answer", "withheld": None, "erased": True},
        {"name": "error", "withheld": None, "erased": False},
    ]
    lines = record_text({"record": RECORD, "conversation": conversation, "parts": parts})
    assert lines[:11] == [
        "User:",
        "  result: 42",
        "  [image]",
        "  [file plan.pdf]",
        "",
        "Answer, not to its end:",
        "  So",
        "",
        "sent: withheld, above your clearance",
        "",
        "answer: erased",
    ]
    assert "outcome   running" in lines and "who       p_x" in lines


def test_a_call_that_was_never_sent_has_no_conversation() -> None:
    conversation: dict[str, Any] = {"sent": None, "answer": None, "is_whole": True}
    for nothing in (None, conversation):
        assert record_text({"record": RECORD, "conversation": nothing, "parts": []})[0] == "outcome   running"


def test_labels_are_written_as_in_the_header() -> None:
    assert labels_text(None) == ""
    labels = LeafLabels(categories=("pii",), regions=("eu",), custody="organisation", integrity="untrusted")
    assert labels_text(labels) == (
        "confidentiality=public; categories=pii; regions=eu; custody=organisation; integrity=untrusted"
    )

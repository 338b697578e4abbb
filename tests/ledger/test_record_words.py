"""What a record says in words: why it ended as it did, and what was said in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.admin.bodies import PartView
from headgate.ledger.conversations import conversation_of, search_text
from headgate.ledger.leaves import Leaf, LeafRule
from headgate.ledger.search import excerpt_of
from headgate.ledger.sentences import outcome_words
from headgate.wire.dialects import load_dialects

DIALECTS = load_dialects()


def leaf(**changes: Any) -> Leaf:
    plain: dict[str, Any] = {
        "v": 1,
        "id": "01",
        "tenant": "acme",
        "opened_at": "2027-01-01T00:00:00.000000Z",
        "verb": "model.invoke",
        "principal": "p_x",
        "use_case": "claims",
        "resource": "alias:smart",
        "effect": "allow",
        "would": "allow",
        "outcome": "done",
    }
    return Leaf(**{**plain, **changes})


def rule(does: str, reason: str, mode: str = "enforce") -> LeafRule:
    return LeafRule("r", does, mode, reason)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outcome": None}, ""),
        ({}, ""),
        ({"facts": {"masked.email": 2}, "closing_facts": {"masked.iban": 1}}, "masked 3"),
        (
            {"would": "ask", "rules": (rule("ask", "claims leave with approval", "observe"),)},
            "would need approval if enforced: claims leave with approval",
        ),
        ({"would": "deny", "facts": {"masked.email": 1}}, "masked 1; would be refused if enforced"),
        (
            {"outcome": "refused", "effect": "ask", "rules": (rule("ask", "a"), rule("ask", "a"), rule("ask", "b"))},
            "needs approval: a; b",
        ),
        ({"outcome": "refused", "error": "needs_approval"}, "needs approval"),
        (
            {"outcome": "refused", "effect": "deny", "rules": (rule("deny", "not at night"), rule("allow", "x"))},
            "not at night",
        ),
        (
            {"outcome": "refused", "error": "denied", "closing_facts": {"refused_by": "lattice.flow"}},
            "no model may receive this content",
        ),
        ({"outcome": "refused", "error": "denied"}, "no rule allows it for this role"),
        ({"outcome": "refused", "error": "rate_limit_exceeded"}, "a limit was reached; try again later"),
        ({"outcome": "failed", "error": "upstream_timeout"}, "the model's provider did not answer in time"),
        ({"outcome": "failed", "error": "new_code"}, "it failed"),
        ({"outcome": "withheld"}, "the answer may not go to the caller"),
    ],
)
def test_an_outcome_is_told_in_words_for_people(changes: dict[str, Any], words: str):
    assert outcome_words(leaf(**changes)) == words


def part(name: str, text: str | None) -> PartView:
    return PartView(name=name, text=text, size_bytes=1, digest="", erased=False, withheld=None)


def test_every_kind_of_part_is_a_piece_and_no_image_comes_from_elsewhere():
    images = [
        {"type": "image_url", "image_url": {"url": url}}
        for url in ("data:image/png;base64,AAAA", "https://example.org/x.png", "data:image/svg+xml;base64,AAAA")
    ]
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}}
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    sent = {
        "model": "m",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Look"}, *images, file]},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "blue"},
        ],
    }
    message = {"role": "assistant", "content": "Blue", "reasoning_content": "Hm.", "refusal": "No."}
    answer: dict[str, Any] = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    answer["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
    found = conversation_of(
        "01", [part("sent", json.dumps(sent)), part("answer", json.dumps(answer))], dialects=DIALECTS
    )
    assert found is not None and found.sent is not None and found.answer is not None
    kinds = [[piece.kind for piece in turn.pieces] for turn in found.sent]
    assert kinds == [["text", "image", "image", "image", "file"], ["tool_call"], ["tool_result"]]
    assert [piece.image for piece in found.sent[0].pieces[1:4]] == ["data:image/png;base64,AAAA", None, None]
    assert found.sent[0].pieces[4].name == "a.pdf"
    assert found.sent[2].pieces[0].pieces[0].text == "blue"
    assert {piece.kind for piece in found.answer} == {"text", "reasoning", "refusal"}


def test_what_is_withheld_or_no_chat_makes_no_conversation():
    assert conversation_of("01", [part("sent", None), part("answer", None)], dialects=DIALECTS) is None
    only_sent = conversation_of(
        "01", [part("sent", '{"model":"m","messages":[{"role":"user","content":"x"}]}')], dialects=DIALECTS
    )
    assert only_sent is not None
    assert (only_sent.answer, only_sent.is_whole) == (None, True)
    assert search_text("sent", b"\xff plain", dialects=DIALECTS) == "\ufffd plain"
    assert search_text("error", b"{}", dialects=DIALECTS) == "{}"


def test_an_excerpt_is_cut_at_the_words_whatever_the_case_of_their_letters():
    found = excerpt_of("ZÜRI", "To Zürich", part="sent")
    assert found is not None
    assert found[1:] == ("To ", "Züri", "ch")
    assert excerpt_of("bern", "To Zürich", part="sent") is None
    longer = excerpt_of("Bern", "İ Bern", part="sent")
    assert longer is not None
    assert longer.match == "Bern"

"""One record as text for a terminal: its conversation first, then what happened and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

_NAMES = {"system": "System", "user": "User", "assistant": "Assistant"}


def record_text(detail: dict[str, Any]) -> list[str]:
    """Return the lines for the answer of `GET /api/records/{record}`."""
    lines = list(_conversation(detail))
    record, facts = detail["record"], detail["record"]["facts"]
    tokens = [facts[name] for name in ("input_tokens", "output_tokens") if name in facts]
    cost = facts.get("cost_micros")
    told: dict[str, object] = {
        "outcome": " · ".join(filter(None, (record["outcome"] or "running", record["told"]))),
        "reason": facts.get("reason"),
        "who": record["who"]["name"] if record["who"] else record["principal"],
        "key": (record["key"]["name"] or record["key"]["id"]) if record["key"] else None,
        "use case": record["use_case"],
        "when": record["opened_at"],
        "action": f"{record['verb']} on {record['resource']}",
        "went to": facts.get("deployment"),
        **_route(facts),
        "tokens": " + ".join(f"{count:,}" for count in tokens) or None,
        "price": facts.get("price"),
        "cost": None if cost is None else f"{cost / 1_000_000:.6f} {facts.get('currency') or ''}".rstrip(),
        "took": None if record["duration_us"] is None else f"{record['duration_us'] / 1000:,.0f} ms",
        "rules": ", ".join(rule["id"] for rule in record["rules"]) or None,
        "entry of the log": record["leaf_index"],
        "record": record["id"],
    }
    shown = {name: value for name, value in told.items() if value is not None}
    width = max(map(len, shown))
    return [*lines, *(f"{name:<{width}}  {value}" for name, value in shown.items())]


def _route(facts: dict[str, Any]) -> dict[str, object]:
    """Return why a call went where it went."""
    attempts, difficulty = facts.get("attempts"), facts.get("difficulty")
    return {
        "order": f"{facts['preference']}: {facts['preferred']}" if "preferred" in facts else facts.get("candidates"),
        "skipped": facts.get("skipped"),
        "attempts": attempts if attempts and attempts > 1 else None,
        "hedge": facts.get("hedge"),
        "difficulty": None
        if difficulty is None
        else f"{difficulty}, threshold {facts.get('threshold')}: {facts.get('difficulty_parts')}",
        "cache": " · ".join(str(facts[name]) for name in ("cache", "cache_why") if name in facts) or None,
    }


def _conversation(detail: dict[str, Any]) -> Iterator[str]:
    conversation = detail["conversation"]
    if conversation is not None:
        for turn in conversation["sent"] or ():
            yield from _turn(_NAMES[turn["role"]], turn["pieces"])
        if conversation["answer"] is not None:
            yield from _turn("Answer" if conversation["is_whole"] else "Answer, not to its end", conversation["answer"])
    for part in detail["parts"]:
        if part["withheld"] is not None or part["erased"]:
            yield from (f"{part['name']}: " + (f"withheld, {part['withheld']}" if part["withheld"] else "erased"), "")


def _turn(name: str, pieces: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield f"{name}:"
    for piece in pieces:
        for line in _words(piece).splitlines():
            yield f"  {line}"
    yield ""


def _words(piece: dict[str, Any]) -> str:
    match piece["kind"]:
        case "tool_call":
            return f"calls {piece['name']}({piece['text']})"
        case "tool_result":
            return "result: " + "\n".join(map(_words, piece["pieces"]))
        case "image":
            return "[image]"
        case "file":
            return f"[file {piece['name']}]".replace(" ]", "]")
        case _:
            return str(piece["text"])

"""Records as CSV or JSON lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec

from headgate.ledger.views import RecordView

Format = Literal["csv", "jsonl"]
FORMATS: tuple[str, ...] = get_args(Format)
MEDIA_TYPES: Mapping[str, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}

_RISKY = ("=", "+", "-", "@", "\t", "\r")
"""First characters of a cell that spreadsheets take for a formula. Source: OWASP, "CSV Injection"."""

_COLUMNS = (
    *("time", "id", "who", "person_id", "pseudonym", "key", "use_case", "action", "resource", "deployment"),
    *("outcome", "reason", "error", "input_tokens", "output_tokens", "cost", "currency", "took_ms", "masked"),
    *("labels", "rules", "log_entry"),
)
_CONTENT = ("sent", "answer")


def head(form: Format, *, with_content: bool) -> bytes:
    """Return the first line, of a CSV file only."""
    return _line([*_COLUMNS, *(_CONTENT if with_content else ())]) if form == "csv" else b""


def row(form: Format, record: RecordView, content: Mapping[str, str] | None) -> bytes:
    """Return one record as a line.

    Args:
        content: the words of its parts, or the reason why they are withheld; None for an export without content.
    """
    if form == "jsonl":
        plain: dict[str, Any] = msgspec.to_builtins(record)
        return msgspec.json.encode(plain if content is None else {**plain, "content": content}) + b"\n"
    cells = [_text(value) for value in _cells(record)]
    return _line(cells if content is None else [*cells, *(content.get(name, "") for name in _CONTENT)])


def _cells(record: RecordView) -> Sequence[object]:
    facts, who = record.facts, record.who
    cost = facts.get("cost_micros")
    return (
        record.opened_at.isoformat(),
        record.id,
        who.name if who else "",
        who.id if who else "",
        record.principal,
        (record.key.name or record.key.id) if record.key else "",
        record.use_case,
        record.verb,
        record.resource,
        facts.get("deployment"),
        record.outcome or "open",
        record.told,
        record.error,
        facts.get("input_tokens"),
        facts.get("output_tokens"),
        None if cost is None else f"{cost / 1_000_000:.6f}",
        facts.get("currency"),
        None if record.duration_us is None else round(record.duration_us / 1000, 1),
        sum(value for name, value in facts.items() if name.startswith("masked.")),
        record.labels,
        " ".join(rule.id for rule in record.rules),
        record.leaf_index,
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _line(cells: Sequence[str]) -> bytes:
    """Return a line of CSV (RFC 4180). A cell that a spreadsheet would run as a formula begins with an apostrophe."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([f"'{cell}" if cell.startswith(_RISKY) else cell for cell in cells])
    return out.getvalue().encode("utf-8", "replace")

"""The batch APIs of OpenAI and Anthropic: files, batches, and results in another order than the lines.

A batch goes one step further each time that somebody looks at it, so that tests wait for no clock.

Source: OpenAI's API document, `/files` and `/batches`; Anthropic's API reference, "Message Batches".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from headgate.kernel.errors import HeadgateError
from headgate.testing.simulator.answer import Answer, Refused, dump
from headgate.testing.simulator.openai_wire import CREATED
from headgate.testing.simulator.script import Failure
from headgate.wire.multipart import parse_form

OPENAI = ("/v1/files", "/v1/batches")
ANTHROPIC = "/v1/messages/batches"

_DAY_S = 86_400
_ISO = "2026-01-01T00:00:00Z"
_EXPIRES = "2026-01-02T00:00:00Z"
_ENDPOINTS = ("/v1/responses", "/v1/chat/completions", "/v1/embeddings", "/v1/completions")
_ENDED = ("completed", "failed", "expired", "cancelled")
_NAME = re.compile("[a-zA-Z0-9_-]{1,64}")
_LEFT = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed because the batch was cancelled."),
}

Run = Callable[[str, Any], Answer]
"""Answers the body of a line at a path."""


@dataclass(slots=True)
class _Batch:
    id: str
    path: str
    lines: list[tuple[str, Any]]
    given: dict[str, Any]
    status: str = "validating"
    is_cancelled: bool = False
    errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    done: list[tuple[str, Answer | None]] = field(default_factory=list[tuple[str, Answer | None]])
    files: dict[str, str] = field(default_factory=dict[str, str])


class Batches:
    """The files and batches of a simulated provider.

    Attributes:
        held: whether batches stay in progress.
        most: the number of lines of a batch that run before it ends; None for all.
        ends: how batches with lines left over end.
        refusal: answers every request that makes a file or a batch.
        made: the batches that were made, by id.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._files: dict[str, tuple[str, bytes]] = {}
        self.made: dict[str, _Batch] = {}
        self.reset()

    def reset(self) -> None:
        """Let batches run as usual again, and forget those of before."""
        self.held = False
        self.most: int | None = None
        self.ends: Literal["expired", "cancelled"] = "expired"
        self.refusal: Failure | None = None
        self._files.clear()
        self.made.clear()

    def serves(self, path: str) -> bool:
        """Whether a path is one of these APIs."""
        return path.startswith((*OPENAI, ANTHROPIC))

    def answer(self, method: str, target: str, body: bytes, content_type: str) -> Answer:
        """Return the answer to a request."""
        if self.refusal is not None and method == "POST":
            raise Refused(self.refusal)
        split = urlsplit(target)
        path = split.path
        match [method, *path.strip("/").split("/")[1:]]:
            case ["POST", "files"]:
                return self._upload(body, content_type)
            case ["GET", "files", name]:
                return Answer(body=dump(self._file(name)))
            case ["GET", "files", name, "content"]:
                self._file(name)
                headers = (("content-type", "application/octet-stream"),)
                return Answer(headers=headers, body=self._files[name][1])
            case ["DELETE", "files", name]:
                self._file(name)
                del self._files[name]
                return Answer(body=dump({"id": name, "object": "file", "deleted": True}))
            case ["POST", "batches"]:
                return Answer(body=dump(self._openai(self._create(json.loads(body)))))
            case ["GET", "batches"]:
                limit = int(parse_qs(split.query).get("limit", ["20"])[0])
                data = [self._openai(one) for one in reversed(self.made.values())][:limit]
                return Answer(body=dump({"object": "list", "data": data, "has_more": len(self.made) > limit}))
            case ["GET", "batches", name]:
                return Answer(body=dump(self._openai(self._stepped(name))))
            case ["POST", "batches", name, "cancel"]:
                return Answer(body=dump(self._openai(self._cancelled(name))))
            case ["POST", "messages", "batches"]:
                return Answer(body=dump(_anthropic(self._create_messages(json.loads(body)))))
            case ["GET", "messages", "batches", name]:
                return Answer(body=dump(_anthropic(self._stepped(name))))
            case ["POST", "messages", "batches", name, "cancel"]:
                return Answer(body=dump(_anthropic(self._cancelled(name))))
            case ["GET", "messages", "batches", name, "results"]:
                return Answer(headers=(("content-type", "application/x-jsonl"),), body=self._results(name))
            case _:
                raise Refused(Failure(404, "Not found"))

    def _upload(self, body: bytes, content_type: str) -> Answer:
        try:
            form = parse_form(body, content_type)
            file, purpose = form.file("file"), form.text("purpose")
        except HeadgateError as error:
            raise Refused(Failure(400, error.message)) from error
        if purpose != "batch":
            raise Refused(Failure(400, f"'{purpose}' is not one of the purposes."))
        return Answer(body=dump(self._file(self._kept(file.filename or "", file.data))))

    def _kept(self, name: str, text: bytes) -> str:
        file = f"file-{len(self._files) + 1:024}"
        self._files[file] = (name, text)
        return file

    def _file(self, name: str) -> dict[str, Any]:
        if name not in self._files:
            raise Refused(Failure(404, f"No such File object: {name}"))
        filename, text = self._files[name]
        told = {"id": name, "object": "file", "bytes": len(text), "created_at": CREATED, "filename": filename}
        return {**told, "purpose": "batch", "status": "processed"}

    def _create(self, given: dict[str, Any]) -> _Batch:
        if given.get("endpoint") not in _ENDPOINTS or given.get("completion_window") != "24h":
            raise Refused(Failure(400, "Invalid value for 'endpoint' or 'completion_window'."))
        self._file(str(given.get("input_file_id")))
        batch = _Batch(f"batch_{len(self.made) + 1:024x}", given["endpoint"], [], given)
        self.made[batch.id] = batch
        return batch

    def _create_messages(self, given: dict[str, Any]) -> _Batch:
        requests: list[dict[str, Any]] = given.get("requests") or []
        if not requests:
            raise Refused(Failure(400, "requests: List should have at least 1 item after validation"))
        names = [str(one.get("custom_id")) for one in requests]
        for at, name in enumerate(names):
            if _NAME.fullmatch(name) is None:
                raise Refused(Failure(400, f"requests.{at}.custom_id: String should match pattern"))
            if name in names[:at]:
                raise Refused(Failure(400, f"requests: custom_id '{name}' is not unique"))
        lines = [(str(one["custom_id"]), one["params"]) for one in requests]
        batch = _Batch(f"msgbatch_{len(self.made) + 1:024x}", "/v1/messages", lines, {}, "in_progress")
        self.made[batch.id] = batch
        return batch

    def _found(self, name: str) -> _Batch:
        if name not in self.made:
            raise Refused(Failure(404, f"No batch found with id '{name}'."))
        return self.made[name]

    def _cancelled(self, name: str) -> _Batch:
        batch = self._found(name)
        if batch.status in _ENDED:
            raise Refused(Failure(409, f"Cannot cancel a batch with status '{batch.status}'."))
        batch.is_cancelled, batch.status = True, "cancelling"
        return batch

    def _stepped(self, name: str) -> _Batch:
        batch = self._found(name)
        match batch.status:
            case "validating":
                self._validate(batch)
            case "in_progress" if not self.held:
                batch.status = "finalizing"
            case "cancelling" | "finalizing":
                self._finish(batch)
            case _:
                pass
        return batch

    def _validate(self, batch: _Batch) -> None:
        text = self._files[batch.given["input_file_id"]][1]
        seen: set[str] = set()
        for number, line in enumerate(text.splitlines(), start=1):
            fault = _fault(line, batch.path, seen)
            if fault is not None:
                code, message, param = fault
                batch.errors.append({"code": code, "line": number, "message": message, "param": param})
                continue
            asked = json.loads(line)
            batch.lines.append((asked["custom_id"], asked["body"]))
        batch.status = "failed" if batch.errors else "in_progress"

    def _finish(self, batch: _Batch) -> None:
        """Run the lines from the last to the first; a cancelled batch runs half of them."""
        most = len(batch.lines) // 2 if batch.is_cancelled else self.most
        most = len(batch.lines) if most is None else most
        for at, (name, body) in enumerate(reversed(batch.lines)):
            batch.done.append((name, self._run(batch.path, body) if at < most else None))
        left = "cancelled" if batch.is_cancelled else self.ends
        batch.status = left if batch.is_cancelled or most < len(batch.lines) else "completed"
        if batch.id.startswith("batch_"):
            good = [(name, one) for name, one in batch.done if one is not None and one.status == 200]
            bad = [(name, one) for name, one in batch.done if one is None or one.status != 200]
            for field_name, results in (("output_file_id", good), ("error_file_id", bad)):
                if results:
                    text = b"\n".join(_openai_result(name, one, batch.status) for name, one in results)
                    batch.files[field_name] = self._kept(f"{batch.id}.jsonl", text)

    def _openai(self, batch: _Batch) -> dict[str, Any]:
        done = [one for _, one in batch.done if one is not None]
        ended = CREATED if batch.status in _ENDED else None
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.path,
            "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
            "input_file_id": batch.given["input_file_id"],
            "completion_window": "24h",
            "status": batch.status,
            "output_file_id": batch.files.get("output_file_id"),
            "error_file_id": batch.files.get("error_file_id"),
            "created_at": CREATED,
            "expires_at": CREATED + _DAY_S,
            "completed_at": ended if batch.status == "completed" else None,
            "request_counts": {
                "total": len(batch.lines),
                "completed": sum(one.status == 200 for one in done),
                "failed": sum(one.status != 200 for one in done),
            },
            "metadata": batch.given.get("metadata"),
        }

    def _results(self, name: str) -> bytes:
        batch = self._found(name)
        if batch.status not in _ENDED:
            raise Refused(Failure(400, "Results are not available until the batch has ended."))
        return b"\n".join(_anthropic_result(one, answer, batch.status) for one, answer in batch.done) + b"\n"


def _fault(line: bytes, path: str, seen: set[str]) -> tuple[str, str, str | None] | None:
    """Return what is wrong with a line of an input file: code, message and field."""
    try:
        asked: Any = json.loads(line)
    except ValueError:
        return "invalid_json_line", "This line is not parseable as valid JSON.", None
    for name in ("custom_id", "method", "url", "body"):
        if name not in asked:
            return "missing_required_parameter", f"Missing required parameter: '{name}'.", name
    if asked["url"] != path:
        return "url_mismatch", "The URL of this request does not match the endpoint of the batch.", "url"
    if asked["custom_id"] in seen:
        return "duplicate_custom_id", f"The custom_id '{asked['custom_id']}' is not unique.", "custom_id"
    seen.add(asked["custom_id"])
    return None


def _openai_result(name: str, answer: Answer | None, status: str) -> bytes:
    if answer is None:
        code, message = _LEFT[status]
        told: dict[str, Any] = {"response": None, "error": {"code": code, "message": message}}
    else:
        response = {"status_code": answer.status, "request_id": f"req-{name}", "body": json.loads(answer.body)}
        told = {"response": response, "error": None}
    return dump({"id": f"batch_req_{name}", "custom_id": name, **told})


def _anthropic_result(name: str, answer: Answer | None, status: str) -> bytes:
    result: dict[str, Any]
    if answer is None:
        result = {"type": "canceled" if status == "cancelled" else "expired"}
    elif answer.status == 200:
        result = {"type": "succeeded", "message": json.loads(answer.body)}
    else:
        result = {"type": "errored", "error": json.loads(answer.body)}
    return dump({"custom_id": name, "result": result})


def _anthropic(batch: _Batch) -> dict[str, Any]:
    ended = batch.status in _ENDED
    kinds = list(_kinds(batch))
    names = ("succeeded", "errored", "canceled", "expired")
    counts = {name: kinds.count(name) for name in names}
    status = "canceling" if batch.is_cancelled else "in_progress"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if ended else status,
        "request_counts": {"processing": 0 if ended else len(batch.lines), **counts},
        "created_at": _ISO,
        "expires_at": _EXPIRES,
        "ended_at": _ISO if ended else None,
        "cancel_initiated_at": _ISO if batch.is_cancelled else None,
        "archived_at": None,
        "results_url": f"https://api.anthropic.test{ANTHROPIC}/{batch.id}/results" if ended else None,
    }


def _kinds(batch: _Batch) -> Iterator[str]:
    for _, answer in batch.done:
        if answer is None:
            yield "canceled" if batch.status == "cancelled" else "expired"
        else:
            yield "succeeded" if answer.status == 200 else "errored"

"""OpenAI's vector stores: a part of a provider that Headgate does not model, for requests that are passed through.

Source: OpenAI's published API document.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from headgate.testing.simulator.answer import Answer, Refused, dump
from headgate.testing.simulator.openai_wire import CREATED
from headgate.testing.simulator.script import Failure

PLACE = "/v1/vector_stores"


def stores(method: str, path: str, body: bytes) -> Answer:
    """Return the answer to a request: to make, list, read, change or delete a store."""
    split = urlsplit(path)
    name = split.path.removeprefix(PLACE).strip("/")
    given: Any = json.loads(body) if body else {}
    if not name and method == "GET":
        limit = int(dict(parse_qsl(split.query)).get("limit", "2"))
        listed = [_store(f"vs_{at}") for at in range(limit)]
        return Answer(body=dump({"object": "list", "data": listed, "has_more": False}))
    if not name:
        return Answer(
            201, body=dump({**_store("vs_1"), **given, "usage": {"prompt_tokens": 3, "completion_tokens": 0}})
        )
    if not name.startswith("vs_"):
        raise Refused(Failure(404, f"No vector store found with id '{name}'."))
    if method == "DELETE":
        return Answer(body=dump({"id": name, "object": "vector_store.deleted", "deleted": True}))
    return Answer(body=dump({**_store(name), **given}))


def _store(name: str) -> dict[str, Any]:
    return {"id": name, "object": "vector_store", "created_at": CREATED, "name": "", "status": "completed"}

"""Writes `docs/wire-fields.md`: fields of OpenAI's published document that no codec knows.

    .venv/bin/python scripts/unknown_fields.py OPENAPI.json

A field is known if it is a key of the codec's own table (`Layout.known_keys`), whatever its place.
The table says nothing about the values of a field, or about what a codec does with it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from headgate.wire import (
    openai_completions,
    openai_completions_words,
    openai_decoding,
    openai_embeddings,
    openai_images,
    openai_moderations,
    openai_responses_decoding,
    openai_responses_provider_stream,
    openai_responses_words,
    openai_speech,
    openai_transcriptions,
    openai_words,
)

TARGET = Path(__file__).parents[1] / "docs" / "wire-fields.md"


class Codec(NamedTuple):
    """The known fields of a request and of an answer; None for a body that is no text for detectors."""

    request: frozenset[str] | None
    answer: frozenset[str] | None


def known(module: Any, name: str) -> frozenset[str]:
    """Return the keys of a codec's layout."""
    return getattr(module, name).known_keys


CODECS: Mapping[str, Codec] = {
    "/chat/completions": Codec(known(openai_words, "CHAT_REQUEST"), known(openai_words, "CHAT_REPLY")),
    "/responses": Codec(known(openai_responses_words, "REQUEST"), known(openai_responses_words, "REPLY")),
    "/responses/input_tokens": Codec(known(openai_responses_words, "REQUEST"), known(openai_responses_words, "REPLY")),
    "/responses/compact": Codec(known(openai_responses_words, "REQUEST"), known(openai_responses_words, "REPLY")),
    "/conversations": Codec(known(openai_responses_words, "BODY"), None),
    "/completions": Codec(known(openai_completions_words, "REQUEST"), known(openai_completions_words, "REPLY")),
    "/embeddings": Codec(known(openai_embeddings, "_REQUEST"), None),
    "/moderations": Codec(known(openai_moderations, "_REQUEST"), known(openai_moderations, "_REPLY")),
    "/images/generations": Codec(known(openai_images, "_REQUEST"), known(openai_images, "_REPLY")),
    "/audio/speech": Codec(known(openai_speech, "_REQUEST"), None),
    "/audio/transcriptions": Codec(None, known(openai_transcriptions, "_REPLY")),
}

CARRIED: Mapping[str, frozenset[str]] = {
    "/chat/completions": getattr(openai_decoding, "_CARRIED"),  # noqa: B009 - its name is private
    "/responses": getattr(openai_responses_decoding, "_CARRIED"),  # noqa: B009 - its name is private
    "/completions": getattr(openai_completions, "_CARRIED"),  # noqa: B009 - its name is private
}
"""The fields of requests that cross to other wires."""

HEAD = """# Fields of OpenAI's published document that pass through unknown

`scripts/unknown_fields.py` writes this page from OpenAI's OpenAPI document (version {version}) and from the codecs' own
tables of known fields. Run it with a newer document to see what moved.

A codec passes an unknown field on to a deployment of its own wire, byte for byte.
Detectors scan its strings, and its name, as they scan text.
So an unknown field is no gap in protection: at worst a rule masks a name that is part of the format.

A field below the top of a body is known by its name, whatever its place.
A table lists it once, in the first row that has it.
"""


def fields(schema: Any, schemas: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Return the names of the fields of a schema: those at its top, and those below."""
    top, below, seen = set[str](), set[str](), set[tuple[str, bool]]()
    waiting: list[tuple[Any, bool]] = [(schema, True)]
    while waiting:
        found, is_top = waiting.pop()
        if not isinstance(found, dict):
            continue
        node = cast("dict[str, Any]", found)
        if "$ref" in node:
            name = str(node["$ref"]).rpartition("/")[2]
            if (name, is_top) not in seen:
                seen.add((name, is_top))
                waiting.append((schemas.get(name), is_top))
            continue
        for key in ("allOf", "anyOf", "oneOf"):
            waiting += [(one, is_top) for one in node.get(key, ())]
        waiting += [(node.get("items"), False), (node.get("additionalProperties"), False)]
        for name, value in node.get("properties", {}).items():
            (top if is_top else below).add(name)
            waiting.append((value, False))
    return top, below - top


def is_read(event: str) -> bool:
    """Whether the reader of the Responses wire has an entry in a table for a type of events."""
    stream: Any = openai_responses_provider_stream
    whole = {*stream._BEGINS, *stream._ENDS, "response.failed", "error"}
    return event in whole or event.rpartition(".")[0] in {
        *stream._TEXTS,
        "response.output_item",
        "response.content_part",
    }


class Operation(NamedTuple):
    """The bodies of an operation in the document."""

    path: str
    request: list[Any]
    answers: list[Any]
    streams: list[Any]


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Yield the operations with a codec."""
    for path in CODECS:
        post: dict[str, Any] = document["paths"][path]["post"]
        answers: dict[str, Any] = post["responses"]["200"].get("content", {})
        yield Operation(
            path,
            [one.get("schema") for one in post["requestBody"]["content"].values()],
            [one.get("schema") for kind, one in answers.items() if kind == "application/json"],
            [one.get("schema") for kind, one in answers.items() if kind == "text/event-stream"],
        )


def named(names: set[str]) -> str:
    """Return names for a cell."""
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"


def rendered(document: Mapping[str, Any]) -> str:
    """Return the page."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    found = list(operations(document))
    lines = [HEAD.format(version=document["info"]["version"])]
    requests = [(one.path, one.request, CODECS[one.path].request) for one in found]
    lines += ["## Requests\n", *table(requests, schemas), ""]
    answers = [(one.path, one.answers, CODECS[one.path].answer) for one in found]
    lines += ["## Answers\n", *table(answers, schemas), ""]
    chats = [(one.path, one.streams, CODECS[one.path].answer) for one in found if one.path == "/chat/completions"]
    lines += ["## Chunks of streams\n", *table(chats, schemas), ""]
    types = {name for one in found for schema in one.streams for name in types_of(schema, schemas)}
    lines += ["## Types of events that the Responses reader has no entry for\n"]
    lines += ["It passes them on, and scans each of their strings.\n"]
    lines += [named({name for name in types if name.startswith("response.") and not is_read(name)}), ""]
    lines += ["## Fields of requests that do not cross to other wires\n", CROSSING]
    lines += ["| operation | fields |", "| --- | --- |"]
    for path, bodies, _ in requests:
        if path in CARRIED:
            lines.append(f"| `{path}` | {named(fields({'anyOf': bodies}, schemas)[0] - CARRIED[path])} |")
    return "\n".join(lines) + "\n"


CROSSING = """Headgate itself serves `background`, `conversation` and `previous_response_id`.
A deployment of another wire gets none of the others.
The gateway names the field in `x-headgate-dropped`, or refuses the call by the name of the field.
"""


def table(rows: list[tuple[str, list[Any], frozenset[str] | None]], schemas: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a table of unknown fields."""
    yield "| operation | unknown fields | unknown below |"
    yield "| --- | --- | --- |"
    listed = set[str]()
    for path, bodies, known_keys in rows:
        if bodies and known_keys is not None:
            top, below = fields({"anyOf": bodies}, schemas)
            below -= known_keys | listed
            listed |= below
            yield f"| `{path}` | {named(top - known_keys)} | {named(below)} |"


def types_of(schema: Any, schemas: Mapping[str, Any]) -> set[str]:
    """Return the types of the events of a stream."""
    if "$ref" in schema:
        schema = schemas[str(schema["$ref"]).rpartition("/")[2]]
    found = set[str](schema.get("properties", {}).get("type", {}).get("enum", ()))
    for choice in schema.get("anyOf") or schema.get("oneOf") or ():
        found |= types_of(choice, schemas)
    return found


def main() -> None:
    """Write the page and print it."""
    text = rendered(json.loads(Path(sys.argv[1]).read_text()))
    TARGET.write_text(text)
    print(text)  # noqa: T201 - a script for developers


if __name__ == "__main__":
    main()

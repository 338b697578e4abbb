"""Prompts of about 1 kB, the same in every run."""

from __future__ import annotations

import json
import random
from pathlib import Path

COUNT = 64
_SEED = 20_260_101
_SIZE = 900
_SUBJECTS = (
    "the committee", "a quiet harbour", "our supplier", "the new schedule", "every apprentice", "the northern line",
    "an old orchard", "the travel policy", "this quarter's report", "the library", "a careful reader", "the workshop",
)  # fmt: skip
_VERBS = ("describes", "replaces", "follows", "explains", "supports", "questions", "precedes", "improves")
_OBJECTS = (
    "the plan for the lime trees", "how invoices are checked", "a summary of the meeting", "the order of the chapters",
    "what visitors should bring", "the way the tide turns", "a fair price for timber", "the notes on glazing",
)  # fmt: skip


def prompt(random_: random.Random, *, personal: bool) -> str:
    """Return prose; with an e-mail address and a phone number in it where it is to be masked."""
    sentences: list[str] = []
    while sum(map(len, sentences)) < _SIZE:
        words = (random_.choice(_SUBJECTS), random_.choice(_VERBS), random_.choice(_OBJECTS))
        sentences.append(" ".join(words).capitalize() + ". ")
    if personal:
        name = f"{random_.choice('abcdefghij')}.{random_.choice(('meyer', 'okafor', 'rossi', 'novak'))}"
        number = random_.randrange(1000, 9999)
        sentences.insert(3, f"Write to {name}{number}@example.org or call +49 30 2093 {number}. ")
    return "".join(sentences)


def write_bodies(path: Path, *, model: str, personal: bool = False, count: int = COUNT) -> Path:
    """Write one request body a line."""
    random_ = random.Random(_SEED)
    lines = [body(prompt(random_, personal=personal), model=model) for _ in range(count)]
    path.write_text("\n".join(lines) + "\n")
    return path


def body(text: str, *, model: str, stream: bool = False) -> str:
    """Return the body of one request."""
    messages = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": text}]
    given: dict[str, object] = {"model": model, "messages": messages, "max_tokens": 4000}
    if stream:
        given["stream"] = True
    return json.dumps(given)

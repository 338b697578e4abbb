"""Texts that other people wrote, through a whole Headgate: measured on the datasets of `pii/`, where they arrive."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import httpx2
import msgspec
import pytest
from tests.datasets import dataset

from headgate.guard.pseudonyms import TOKEN
from headgate.testing.lab import Lab
from headgate.testing.simulator import Script

pytestmark = [pytest.mark.e2e, pytest.mark.measured]

MEASURED = frozenset({"EMAIL", "PHONE", "PAYMENTCARD", "IBAN", "USSSN", "IPADDRESS", "SECRET"})
LEAST = 0.95
KEPT_BACK = ("CREDIT_CARD", "IBAN_CODE", "US_SSN", "EMAIL_ADDRESS", "IP_ADDRESS")
AT_ONCE = 24
ANSWERED = 50


class Span(msgspec.Struct):
    """What an annotator marked."""

    entity_type: str
    entity_value: str


class Sentence(msgspec.Struct):
    """One sentence of the dataset."""

    full_text: str
    spans: list[Span]

    @property
    def values(self) -> list[Span]:
        """What must not leave."""
        return [span for span in self.spans if span.entity_type in KEPT_BACK]


class Place(msgspec.Struct, frozen=True):
    """A value in a text, or what a token replaced."""

    kind: str
    start: int
    end: int


class Text(msgspec.Struct):
    """A text as enterprises send, and what should be found in it."""

    id: str
    text: str
    spans: list[Place]


class Answer(NamedTuple):
    """What came back for a sentence."""

    status: int
    text: str


@pytest.fixture(scope="module")
def sentences() -> list[Sentence]:
    """All of them."""
    path = dataset("pii/presidio_synth_dataset_v2.json")
    return msgspec.json.decode(path.read_bytes(), type=list[Sentence])


def test_no_card_iban_ssn_email_or_ip_address_of_real_sentences_arrives_and_they_come_back(
    lab: Lab, sentences: list[Sentence]
) -> None:
    lab.cloud.answer_always(Script(echo=True))
    texts = [sentence.full_text for sentence in sentences]
    answers = asyncio.run(_ask_all(lab, texts, model="cloud", at_once=AT_ONCE))
    assert {answer.status for answer in answers} == {200}
    arrived = _arrived(lab, count=len(sentences))
    leaked = [
        (span.entity_type, span.entity_value)
        for number, sentence in enumerate(sentences)
        for span in sentence.values
        if _squeezed(span.entity_value) in _squeezed(arrived[number])
    ]
    assert sum(len(sentence.values) for sentence in sentences) > 200, "the dataset holds values to keep back"
    assert leaked == []
    partly = [text for text, answer in zip(texts, answers, strict=True) if answer.text != text]
    # Nothing is put back into what looks like an address, from where it would leave again.
    assert all("//" in text for text in partly)
    assert len(partly) <= 5


def test_fifty_real_sentences_are_answered_by_the_embedded_model(lab: Lab, sentences: list[Sentence]) -> None:
    some = [sentence.full_text for sentence in sentences[:: len(sentences) // ANSWERED][:ANSWERED]]
    answers = asyncio.run(_ask_all(lab, some, model="local-chat", at_once=2))
    assert [answer.status for answer in answers] == [200] * ANSWERED
    assert all(answer.text.strip() for answer in answers)


@pytest.fixture(scope="module")
def enterprise_texts() -> list[Text]:
    """Tickets, logs, code and configurations."""
    return msgspec.json.decode(dataset("pii/enterprise_texts.json").read_bytes(), type=list[Text])


def test_of_each_kind_nineteen_of_twenty_are_masked_in_daily_work_and_little_else(
    lab: Lab, enterprise_texts: list[Text]
) -> None:
    lab.cloud.answer_always(Script())
    texts = [one.text for one in enterprise_texts]
    answers = asyncio.run(_ask_all(lab, texts, model="seeing", at_once=AT_ONCE))
    assert {answer.status for answer in answers} == {200}
    counts: Counter[tuple[str, str]] = Counter()
    for one, arrived in zip(enterprise_texts, _arrived(lab, count=len(texts)), strict=True):
        values = [span for span in one.spans if span.kind in MEASURED]
        masked = [place for place in _masked(one.text, arrived) if place.kind in MEASURED]
        for value in values:
            counts["values", value.kind] += 1
            counts["found", value.kind] += any(2 * _shared(value, place) >= value.end - value.start for place in masked)
        for place in masked:
            counts["masked", place.kind] += 1
            counts["right", place.kind] += any(_shared(place, value) for value in values)
    assert {kind for _, kind in counts} == MEASURED
    recall = {kind: counts["found", kind] / counts["values", kind] for kind in MEASURED}
    precision = {kind: counts["right", kind] / counts["masked", kind] for kind in MEASURED}
    assert {kind: share for kind, share in recall.items() if share < LEAST} == {}
    assert {kind: share for kind, share in precision.items() if share < LEAST} == {}


def test_harmless_lines_arrive_as_they_were_written(lab: Lab) -> None:
    lab.cloud.answer_always(Script())
    lines = [line for line in dataset("pii/harmless_lines.txt").read_text().splitlines() if line]
    asyncio.run(_ask_all(lab, lines, model="cloud", at_once=AT_ONCE))
    assert [line for line in _arrived(lab, count=len(lines)) if line not in lines] == []


def _masked(written: str, arrived: str) -> list[Place]:
    """Return what the tokens of the text that arrived stand for in the text that was written."""
    tokens = list(TOKEN.finditer(arrived))
    rests = [arrived[one.end() : other.start()] for one, other in pairwise(tokens)]
    rests += [arrived[tokens[-1].end() :]] if tokens else []
    places: list[Place] = []
    start = tokens[0].start() if tokens else 0
    for token, rest in zip(tokens, rests, strict=True):
        end = written.index(rest, start + 1) if rest else len(written)
        places.append(Place(token.group().split("_")[1], start, end))
        start = end + len(rest)
    return places


def _shared(one: Place, other: Place) -> int:
    """Return how many characters both cover, where they are of one kind."""
    return max(0, min(one.end, other.end) - max(one.start, other.start)) if one.kind == other.kind else 0


async def _ask_all(lab: Lab, texts: Sequence[str], *, model: str, at_once: int) -> list[Answer]:
    """Ask for an answer to each text, several at once; `seed` says which one it is."""
    places = asyncio.Semaphore(at_once)
    limits = httpx2.Limits(max_connections=at_once)
    async with httpx2.AsyncClient(base_url=lab.openai_url, limits=limits, timeout=120) as client:

        async def ask(number: int, text: str) -> Answer:
            body = {"model": model, "seed": number, "max_tokens": 4, "messages": [{"role": "user", "content": text}]}
            async with places:
                answer = await client.post(
                    "/chat/completions", json=body, headers={"authorization": f"Bearer {lab.clerk}"}
                )
            found: Any = answer.json()
            content = found["choices"][0]["message"]["content"] if answer.status_code == 200 else ""
            return Answer(answer.status_code, content)

        return await asyncio.gather(*(ask(number, text) for number, text in enumerate(texts)))


def _arrived(lab: Lab, *, count: int) -> list[str]:
    """What the provider was sent, in the order of the sentences."""
    found: dict[int, str] = {}
    for request in lab.cloud.requests:
        found[request.json["seed"]] = request.json["messages"][0]["content"]
    assert len(found) == count
    return [found[number] for number in range(count)]


def _squeezed(text: str) -> str:
    return "".join(text.split()).lower()

"""Sentences that other people wrote, through a whole Headgate; measured on `pii/presidio_synth_dataset_v2.json`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx2
import msgspec
import pytest
from tests.datasets import dataset

from headgate.testing.lab import Lab
from headgate.testing.simulator import Script

pytestmark = [pytest.mark.e2e, pytest.mark.measured]

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

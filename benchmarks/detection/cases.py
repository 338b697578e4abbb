"""Sentences with values in known places: generated from a seed, and read from a public dataset."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import REPOSITORY
from benchmarks.processes import NotMeasured

SEED = 20_260_102
DATASETS = Path(os.environ.get("HEADGATE_DATASETS", REPOSITORY.parent / "shared" / "data"))

KINDS = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "payment_card",
    "IBAN_CODE": "iban",
    "US_SSN": "us_ssn",
    "IP_ADDRESS": "ip_address",
    "SECRET": "secret",
}
"""The structured kinds, as the dataset and Presidio call them, and as we do; secrets of every kind are one."""
_TOKEN_NAMES = {kind.replace("_", "").upper(): kind for kind in KINDS.values()}


class Span(NamedTuple):
    """Characters `start` to `end` are a value of this kind."""

    kind: str
    start: int
    end: int


class Case(NamedTuple):
    """A text and every value in it."""

    text: str
    spans: tuple[Span, ...]


def published() -> list[Case]:
    """Return the public dataset's sentences with their structured values.

    Raises:
        NotMeasured: the dataset is not there.
    """
    path = DATASETS / "pii" / "presidio_synth_dataset_v2.json"
    if not path.exists():
        raise NotMeasured("the dataset pii/presidio_synth_dataset_v2.json is not below HEADGATE_DATASETS")
    return [
        Case(
            row["full_text"],
            tuple(
                Span(KINDS[span["entity_type"]], span["start_position"], span["end_position"])
                for span in row["spans"]
                if span["entity_type"] in KINDS
            ),
        )
        for row in json.loads(path.read_text())
    ]


def enterprise() -> list[Case]:
    """Return texts such as enterprises send, and lines that hold no value.

    Raises:
        NotMeasured: the datasets are not there.
    """
    texts, lines = DATASETS / "pii" / "enterprise_texts.json", DATASETS / "pii" / "harmless_lines.txt"
    if not (texts.exists() and lines.exists()):
        raise NotMeasured("the datasets of enterprise texts and harmless lines are not below HEADGATE_DATASETS")
    cases = [
        Case(
            row["text"],
            tuple(
                Span(_TOKEN_NAMES[span["kind"]], span["start"], span["end"])
                for span in row["spans"]
                if span["kind"] in _TOKEN_NAMES
            ),
        )
        for row in json.loads(texts.read_text())
    ]
    return [*cases, *(Case(line, ()) for line in lines.read_text().splitlines())]


def generated(count: int) -> list[Case]:
    """Return sentences with one value each, all kinds equally often, and as many with a look-alike that is none."""
    random_ = random.Random(SEED)
    cases: list[Case] = []
    for index in range(count):
        kind = tuple(_VALUES)[index % len(_VALUES)]
        before, after = random_.choice(_TEMPLATES[kind]).split("{}")
        value = _VALUES[kind](random_)
        cases.append(Case(before + value + after, (Span(kind, len(before), len(before) + len(value)),)))
        cases.append(Case(random_.choice(_LOOKALIKES).format(*(_digits(random_, n) for n in (4, 6, 8))), ()))
    return cases


_FIRST = ("anna", "jose", "mei", "oluwaseun", "priya", "lars", "fatima", "giulia", "tomasz", "chloe")
_LAST = ("novak", "garcia", "tanaka", "adeyemi", "sharma", "jensen", "haddad", "ricci", "kowalski", "dubois")
_DOMAINS = ("example.org", "mail.example.co.uk", "firma.example.de", "example.io", "uni.example.edu", "example.museum")


def _digits(random_: random.Random, count: int) -> str:
    return str(random_.randrange(10 ** (count - 1), 10**count))


def _email(random_: random.Random) -> str:
    joint, number = random_.choice((".", "_", "-", "")), random_.choice(("", _digits(random_, 2)))
    name = random_.choice(_FIRST) + joint + random_.choice(_LAST) + number + random_.choice(("", "+shop"))
    domain = random_.choice(_DOMAINS)
    return random_.choice((name, name.title())) + "@" + domain


def _phone(random_: random.Random) -> str:
    area, left, right = (random_.randrange(low, 1000 * (1 if low < 1000 else 10)) for low in (201, 200, 1000))
    shapes = (
        f"+1 {area} {left} {right}",
        f"({area}) {left}-{right}",
        f"{area}-{left}-{right}",
        f"+44 20 7946 {right:04d}"[:16],
        f"+49 30 2093 {right}",
        f"+33 1 42 68 {right // 100} {right % 100:02d}",
        f"+91 98{_digits(random_, 3)} {_digits(random_, 5)}",
        f"020 7946 {right}",
    )
    return random_.choice(shapes)


def _luhn(body: str) -> str:
    total = 0
    for index, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if index % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def _card(random_: random.Random) -> str:
    prefix, size = random_.choice((("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("37", 15), ("6011", 16)))
    number = _luhn(prefix + "".join(random_.choice("0123456789") for _ in range(size - len(prefix) - 1)))
    joint = random_.choice(("", " ", "-"))
    if size == 15:
        return joint.join((number[:4], number[4:10], number[10:]))
    return joint.join(number[at : at + 4] for at in range(0, size, 4))


def _iban(random_: random.Random) -> str:
    shapes = {"DE": 18, "FR": None, "NL": None, "AT": 16, "CH": 17, "ES": None, "BE": None}
    country = random_.choice([name for name, size in shapes.items() if size])
    account = "".join(random_.choice("0123456789") for _ in range(shapes[country] or 0))
    number = int(account + "".join(str(ord(letter) - 55) for letter in country) + "00")
    iban = f"{country}{98 - number % 97:02d}{account}"
    return " ".join(iban[at : at + 4] for at in range(0, len(iban), 4)) if random_.random() < 0.5 else iban


def _ssn(random_: random.Random) -> str:
    area = random_.choice([*range(1, 666), *range(667, 900)])
    return f"{area:03d}-{random_.randrange(1, 100):02d}-{random_.randrange(1, 10000):04d}"


def _ip(random_: random.Random) -> str:
    if random_.random() < 0.3:
        return ":".join(f"{random_.randrange(0x1000, 0x10000):x}" for _ in range(8))
    return ".".join(str(random_.randrange(1, 255)) for _ in range(4))


_VALUES = {
    "email": _email,
    "phone": _phone,
    "payment_card": _card,
    "iban": _iban,
    "us_ssn": _ssn,
    "ip_address": _ip,
}
_TEMPLATES = {
    "email": ("Please write to {} before Friday.", "From: {}\nSubject: minutes", "his address ({}) bounced", "<{}>"),
    "phone": ("Call me at {} after five.", "My number is {}, thanks.", "Tel. {}", "You reach the desk on {}."),
    "payment_card": ("Charge it to {} please.", "card: {}, valid until 11/29", "He paid with {} yesterday."),
    "iban": ("Transfer the sum to {} today.", "IBAN {}", "our account {} was closed"),
    "us_ssn": ("My social security number is {}.", "SSN {} belongs to her", "employee record {}, hired in May"),
    "ip_address": ("The server at {} does not answer.", "blocked {} after ten tries", "source={} port=443"),
}
_LOOKALIKES = (
    "Order {1} was shipped on 2026-03-14 as parcel {2}.",
    "Version 4.18.{0} of the library fixes ticket {1}.",
    "The invoice {2}-{0} amounts to 1,{0}.50 euros.",
    "Chapter 3.4.1 has {0} words, chapter 3.4.2 has {1}.",
    "Commit 9f{1}ae{2}c was built at 12:45:{0}.",
    "Meet @anna at platform 9 at 17:30, carriage {0}.",
    "Article 5({0}) of regulation {0}/{1} applies.",
    "The ISBN is 978-3-{1}-1-{0}.",
)

"""Features that do not hold are refused: what two declare, and an answer that policy was not asked about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import pytest

from headgate.admin.bodies import Body
from headgate.admin.commands import command_verb
from headgate.admin.features import Feature
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.features import FEATURES, refuse_doubles
from headgate.kernel.errors import Conflict
from headgate.testing.house import open_house
from headgate.testing.postgres import TemporaryDatabase

PEEK = command_verb("odd.peek", "read", "Peek", "peeking")


class Told(Body, frozen=True, kw_only=True):
    """What nobody was asked about."""

    text: str


async def tell(service: None, request: Request) -> Told:
    return Told(text="told")


async def stream(service: None, request: Request) -> None:
    async with request.events() as events:
        await events.begin()
        await events.send(b"data: told\n\n")


ODD = Feature(
    name="odd",
    summary="Forgets to ask.",
    package="headgate.guard",
    verbs=(PEEK,),
    operations=(
        Operation("tellOdd", "GET", "/api/odd", "Tell.", tell, answer=Told, verb=PEEK),
        Operation("streamOdd", "GET", "/api/odd/live", "Tell on.", stream, answer=str, verb=PEEK),
    ),
)


async def test_an_answer_that_policy_was_not_asked_about_is_not_sent(
    fresh_database: TemporaryDatabase, tmp_path: Path, console: Path
):
    (tmp_path / "data").mkdir(mode=0o700)
    features = (*FEATURES, ODD)
    async with (
        open_house(fresh_database, folder=tmp_path / "data", console=console, features=features) as house,
        house.admin as client,
    ):
        for path in ("/api/odd", "/api/odd/live"):
            answer = await client.get(path)
            assert answer.status_code == 500
            assert "told" not in answer.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"verbs": (command_verb("key.create", "write", "Mine"),)},
            "the verb key.create is declared by policy and by odd",
        ),
        ({"verbs": (command_verb("config.apply", "write", "x"),)}, "the verb config.apply is declared by the house"),
        ({"verbs": (PEEK, PEEK)}, "the verb odd.peek"),
        ({"operations": (Operation("listKeys", "GET", "/api/odd", "x", tell),)}, "the operation listKeys"),
        ({"operations": (Operation("odd", "GET", "/api/keys", "x", tell),)}, "the route GET /api/keys"),
        ({"commands": (click.Group("keys"),)}, "the command keys is declared by policy and by odd"),
    ],
)
def test_what_two_features_declare_is_refused_with_both_names(change: dict[str, object], words: str):
    odd = replace(ODD, operations=())
    with pytest.raises(Conflict, match=words):
        refuse_doubles([*FEATURES, replace(odd, **change)])  # pyright: ignore[reportArgumentType] - one of its fields
    refuse_doubles([*FEATURES, ODD])

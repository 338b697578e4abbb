"""Features that do not hold are refused: what two declare, and an answer that policy was not asked about."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import grimp
import pytest
from structlog.testing import capture_logs

from headgate import assembly
from headgate.admin.bodies import Body
from headgate.admin.commands import command_verb
from headgate.admin.features import Feature, Opened, Platform
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.features import FEATURES, NAMES, refuse_doubles
from headgate.kernel.action import Resource, Verb
from headgate.kernel.errors import Conflict, Denied
from headgate.policy.parts import Policy
from headgate.substrate.settings import Settings
from headgate.testing.house import open_house
from headgate.testing.ports import FakeConfigSection
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


async def forget(service: None, request: Request) -> Told:
    with suppress(Denied):
        request.authorise(PEEK, Resource("odd", "all"))
    return Told(text="told")


async def test_a_refusal_that_a_handler_forgets_about_lets_nothing_out(
    fresh_database: TemporaryDatabase, tmp_path: Path, console: Path
):
    operation = Operation("forgetOdd", "GET", "/api/odd", "Tell.", forget, answer=Told, verb=PEEK)
    (tmp_path / "data").mkdir(mode=0o700)
    features = (*FEATURES, replace(ODD, operations=(operation,)))
    async with (
        open_house(fresh_database, folder=tmp_path / "data", console=console, features=features) as house,
        house.admin as client,
    ):
        answer = await client.get("/api/odd")
    assert answer.status_code == 500
    assert "told" not in answer.text


class Silent:
    """Performs nothing well."""


@pytest.mark.parametrize(
    ("opened", "verbs", "words"),
    [
        (Opened(stages={"decider": Silent()}), (), "odd implements decider"),
        (Opened(performers={"key.create": Silent()}), (), "performs key.create, which it does not declare"),  # pyright: ignore[reportArgumentType] - the fault at test
        (Opened(sections=[FakeConfigSection("person")]), (), "two features have the section person"),
        (Opened(), (Verb("odd.do", Told, object, object),), "no feature performs odd.do"),
    ],
)
async def test_what_a_feature_takes_from_others_stops_the_start(
    fresh_database: TemporaryDatabase,
    tmp_path: Path,
    console: Path,
    opened: Opened,
    verbs: tuple[Verb[Any, Any, Any], ...],
    words: str,
):
    async def open_odd(platform: Platform, stack: AsyncExitStack) -> Opened:
        return opened

    (tmp_path / "data").mkdir(mode=0o700)
    features = (*FEATURES, replace(ODD, operations=(), verbs=verbs, open=open_odd))
    with pytest.raises(Conflict, match=words):
        async with open_house(fresh_database, folder=tmp_path / "data", console=console, features=features):
            raise AssertionError("it started")


async def test_a_feature_that_cannot_be_read_is_named_and_the_others_are_served(
    fresh_database: TemporaryDatabase, tmp_path: Path, console: Path
):
    async def broken() -> None:
        raise ValueError("the list is empty")

    async def open_odd(platform: Platform, stack: AsyncExitStack) -> Opened:
        return Opened(refresh=broken)

    (tmp_path / "data").mkdir(mode=0o700)
    features = (replace(ODD, operations=(), open=open_odd), *FEATURES)
    settings = Settings(data=tmp_path / "data", database_url=fresh_database.owner.conninfo)
    with capture_logs() as logs:
        async with assembly.worker(settings, model_port=None, features=features) as built:
            assert built.service(Policy).holder.latest is not None
    assert {
        "event": "feature_not_refreshed",
        "feature": "odd",
        "reason": "the list is empty",
        "log_level": "error",
    } in logs


def test_no_feature_imports_another():
    graph = grimp.build_graph("headgate", cache_dir=None)
    for one in NAMES:
        for other in {*NAMES} - {one}:
            chains = graph.direct_import_exists(
                importer=f"headgate.{one}", imported=f"headgate.{other}", as_packages=True
            )
            assert not chains, f"{one} imports {other}"

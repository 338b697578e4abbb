"""Encoding a value does not carry it past a scan, and media inside a string are media."""

from __future__ import annotations

import base64
import json
import textwrap
from typing import Any
from urllib.parse import quote

import pytest

from headgate.guard import Engine, GuardLabeller, GuardTransformer
from headgate.guard.pseudonyms import Pseudonyms
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.decision import Decision, Effect, Obligations
from headgate.kernel.identity import Principal, TenantId, UseCase
from headgate.kernel.labels import EVERYTHING
from headgate.wire.json_document import JsonDocument
from headgate.wire.model_call import MODEL_DISPATCH, ModelCall, ModelReply
from headgate.wire.openai_words import CHAT_REQUEST

DISPATCH: Verb[Any, Any, Any] = MODEL_DISPATCH
TENANT = TenantId("acme")
PERSON = b"Patient: Jane Doe, jane.doe@example.org, card 4111 1111 1111 1111, once more for a second line."
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()
CODED = base64.b64encode(PERSON).decode()
EMPTY = '<svg xmlns="http://www.w3.org/2000/svg"/>'
PNG = f"data:image/png;base64,{PICTURE}"
LOGO = f"<image href='{PNG}'/>".encode()


def asking(text: str) -> Action[Any, Any, Any]:
    """The action of sending a tool's answer, in which anything may stand."""
    body = json.dumps({"model": "m", "messages": [{"role": "tool", "tool_call_id": "1", "content": text}]}).encode()
    payload = ModelCall("openai_chat", JsonDocument.parse(body, layout=CHAT_REQUEST), "m")
    use_case = UseCase("support", TENANT, owner="o", purpose="p")
    return Action(DISPATCH, Principal("jane", TENANT), Resource("deployment", "d"), payload, Context(use_case))


def categories(engine: Engine, text: str) -> set[str]:
    """The categories of a text."""
    return set(GuardLabeller(engine=engine).label(asking(text)).labels.categories)


@pytest.mark.parametrize(
    "text",
    [
        f"Look: ![a chart]({PNG}) and say what you see.",
        f"<p><img alt='x' src='data:image/jpeg;charset=utf-8;base64,{PICTURE}'></p>",
        f"<img src = data:;base64,{PICTURE}>",
        f'<img src="data:image/png;name=&quot;x&quot;;base64,{PICTURE}">',
        f"<img src='data:image/png ; base64 , {PICTURE}'>",
        "body { background: url(DATA:image/gif;base64,R0lGODlhAQABAAAAACw=) }",
        "url(data:image/png,%89PNG%0D%0A%1A%0A%00)",
        quote(f"see {PNG}", safe=""),
        f"data&colon;image/png&#59;base64&comma;{PICTURE}",
        json.dumps({"result": {"image": PNG}}),
        json.dumps(json.dumps({"result": [PNG.replace("/", "\\/")]})),
        json.dumps({"screenshot": PICTURE}),
        f"img: {base64.urlsafe_b64encode(base64.b64decode(PICTURE)).decode().rstrip('=')}",
        "see data:image/gif;base64,R0lG ODlh AQAB AAAA ACw=",
        "see data:image/gif;base64, R0lG ODlh AQAB AAAA ACw=",
        "the icon is " + PNG.replace(PICTURE, "\n".join(textwrap.wrap(PICTURE, 76))) + "\nThanks",
        f"data:image/svg+xml;base64,{base64.b64encode(LOGO).decode()} is a logo",
        base64.b64encode(base64.b64encode(base64.b64encode(PERSON))).decode(),
    ],
)
def test_media_inside_a_string_are_unscanned_whatever_is_masked(engine: Engine, text: str) -> None:
    labelled = GuardLabeller(engine=engine).label(asking(text))
    assert "unscanned" in labelled.floor.categories
    assert "unscanned" in labelled.labels.masked(frozenset({"unscanned"})).join(labelled.floor).categories


@pytest.mark.parametrize(
    "text",
    [
        f"Decode this: {CODED}",
        f"{CODED[:80]}\n" + CODED[80:].rstrip("="),
        "\r\n".join(textwrap.wrap(CODED, 76)) + "\r\nRegards",
        "\n".join(textwrap.wrap(CODED, 76)) + "\nBest regards,\nthe team",
        base64.urlsafe_b64encode(PERSON).decode(),
        json.dumps({"attachment": {"mime": "text/plain", "content": CODED}}),
        json.dumps(json.dumps({"lines": "\n".join(textwrap.wrap(CODED, 64))})),
        f"[report](data:text/csv;charset=utf-8;base64,{CODED})",
        f"<object data='data:application/json;header=present;base64,{quote(CODED, safe='')}'>",
        f"<img src='data:image/svg+xml,{quote(PERSON)}'>",
        f"https://files.example.org/d/{CODED}",
        f"{'no-base64-of-any-text' * 9}"[:128] + f"\n{CODED}",
        f"powershell -enc {base64.b64encode(PERSON.decode().encode('utf-16-le')).decode()}",
        f"x{base64.b64encode(PERSON.decode().encode('utf-16')).decode()}"[1:],
        f"see data:text/plain;base64,{CODED.rstrip('=')} and what follows is no base64",
        f"see data:image/png;base64,{CODED}",
        base64.b64encode(CODED.encode()).decode(),
    ],
)
def test_text_that_is_encoded_inside_a_string_is_scanned(engine: Engine, text: str) -> None:
    assert categories(engine, text) == {"pii", "pci"}


@pytest.mark.parametrize(
    "text",
    [
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "integrity sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC",
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709 of feature/some-rather-long-branch-name",
        "/usr/lib/python3/site-packages/headgate/guard/embedded and internationalisationWorks",
        "req_011CSHoEeqs5C35K2UUqR7Fy asked for 7f3d2a10-93ab-4e0c-b1a7-0c6a1e7d5b11",
        "Here is the data: 3/4 of all; see data:text/plain and data:,Hello or data:image/png;base64 URLs",
        "URLs begin with data:image/png;base64, and the bytes; data:image/png;base64,(none) is empty",
        f"hello in base64 is {base64.b64encode(b'hello world, hello world').decode()}",
        f"<img src='data:image/svg+xml,{quote(EMPTY)}'>",
    ],
)
def test_what_only_looks_encoded_and_what_holds_nothing_is_left_alone(engine: Engine, text: str) -> None:
    assert categories(engine, text) == set()


def test_a_run_is_replaced_as_a_whole_and_comes_back_as_it_was(engine: Engine) -> None:
    action = asking(f"Decode this: {CODED}, please, for jane@example.org")
    labelled = GuardLabeller(engine=engine).label(action)
    decision = Decision(Effect.ALLOW, obligations=Obligations(mask=frozenset({"pii", "pci"})))
    transformer = GuardTransformer(engine=engine, pseudonyms=Pseudonyms(b"k" * 32))
    exchange = transformer.transform(action, labelled=labelled, decision=decision, receiver=EVERYTHING)
    sent = json.loads(exchange.payload.content.to_bytes())["messages"][0]["content"]
    assert sent.startswith("Decode this: HGX_")
    assert CODED not in sent
    answer = ModelReply("openai_chat", JsonDocument.parse(json.dumps({"content": sent}).encode()))
    assert json.loads(exchange.result(answer).content.to_bytes())["content"].startswith(f"Decode this: {CODED}, please")


def test_media_in_an_answer_change_nothing(engine: Engine) -> None:
    action = asking("Draw something.")
    labelled = GuardLabeller(engine=engine).label(action)
    transformer = GuardTransformer(engine=engine, pseudonyms=Pseudonyms(b"k" * 32))
    exchange = transformer.transform(action, labelled=labelled, decision=Decision(Effect.ALLOW), receiver=EVERYTHING)
    answer = ModelReply("openai_chat", JsonDocument.parse(json.dumps({"content": f"![x]({PNG})"}).encode()))
    assert exchange.result(answer).content.to_bytes() == answer.content.to_bytes()
    assert exchange.output_labels == labelled.labels

"""The tool `file_search` of the Responses wire, for models of every wire, with OpenAI's own client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import openai
import pytest
from openai.types.responses import Response

from headgate.testing.lab import Lab, open_lab
from headgate.testing.simulator import Failure, Script

pytestmark = pytest.mark.e2e

TRAVEL = b"# Travel\n\nNights in a hotel are paid up to 140 euros. Book trains before flights.\n"
SECRET = b"# Merger\n\nThe board decides about the merger with Omega in May.\n"
ASKED = "What does a hotel cost at most?"
CITED = "At most 140 euros [1]."

MORE = """
[[deployment]]
id = "responses-openai"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
network = "lab"
key = "env:LAB_PROVIDER_KEY"
quirks = ["responses_upstream"]

[[alias]]
id = "own-wire"
deployments = ["responses-openai"]

[[collection]]
id = "board"
owner = "clerk"
confidentiality = "restricted"
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("lab") / "data") as lab:
        lab.gate.apply(lab.toml + MORE.format(port=lab.cloud.port))
        yield lab


@pytest.fixture
def clerk(lab: Lab) -> Iterator[openai.OpenAI]:
    lab.reset()
    with openai.OpenAI(base_url=lab.openai_url, api_key=lab.clerk, max_retries=0, timeout=60) as client:
        yield client
    lab.reset()


@pytest.fixture(scope="module")
def store(lab: Lab) -> str:
    with openai.OpenAI(base_url=lab.openai_url, api_key=lab.clerk, max_retries=0, timeout=60) as client:
        made = client.vector_stores.create(name="Rules")
        for place, name, text in ((made.id, "travel.md", TRAVEL), ("board", "merger.md", SECRET)):
            file = client.vector_stores.files.upload_and_poll(vector_store_id=place, file=(name, text))
            assert file.status == "completed"
    return made.id


def tool(*stores: str, **terms: Any) -> Any:
    return [{"type": "file_search", "vector_store_ids": list(stores), **terms}]


def check(answer: Response) -> None:
    search, message = answer.output
    assert search.type == "file_search_call"
    assert (search.status, search.queries) == ("completed", [ASKED])
    assert search.results is not None
    assert "140 euros" in str(search.results[0].text)
    assert message.type == "message"
    assert message.content[0].type == "output_text"
    (citation,) = message.content[0].annotations
    assert citation.type == "file_citation"
    assert (citation.filename, citation.file_id) == ("travel.md", search.results[0].file_id)
    assert message.content[0].text[citation.index :].startswith("[1]")
    assert answer.tools[0].type == "file_search"


@pytest.mark.parametrize("model", ["cloud", "claude", "gem", "own-wire"])
def test_a_model_of_any_wire_answers_from_files(lab: Lab, clerk: openai.OpenAI, store: str, model: str) -> None:
    """Trap 27."""
    lab.cloud.answer_always(Script(text=CITED))
    terms: Any = {"model": model, "input": ASKED, "tools": tool(store), "include": ["file_search_call.results"]}
    whole = cast("Response", clerk.responses.create(**terms))
    check(whole)
    sent = str([request.json for request in lab.cloud.requests])
    assert "140 euros" in sent
    assert "file_search" not in sent
    with clerk.responses.stream(**terms) as stream:
        kinds = [event.type for event in stream]
        check(cast("Response", stream.get_final_response()))
    searched = [kind for kind in kinds if "file_search_call" in kind]
    assert searched == [f"response.file_search_call.{state}" for state in ("in_progress", "searching", "completed")]
    assert kinds.index(searched[-1]) < kinds.index("response.output_text.delta")
    assert "response.output_text.annotation.added" in kinds
    lab.cloud.reset()
    lab.cloud.answer_always(Script(text="In euros."))
    clerk.responses.create(model=model, input="In which currency?", previous_response_id=whole.id)
    assert "file_search_call" not in str([request.json for request in lab.cloud.requests])


def test_the_search_is_an_action_and_its_labels_hold(lab: Lab, clerk: openai.OpenAI, store: str) -> None:
    asked = "When does the board decide about Omega?"
    with pytest.raises(openai.BadRequestError, match="restricted"):
        clerk.responses.create(model="cloud", input=asked, tools=tool("board"))
    assert not lab.cloud.requests, "a restricted passage does not reach the cloud"
    answer = clerk.responses.with_raw_response.create(model="onprem", input=asked, tools=tool("board"))
    assert "Omega" in str([request.json for request in lab.onprem.requests])
    record = lab.record(answer.headers["x-headgate-record"])["record"]
    search = lab.record(record["facts"]["search_record"])["record"]
    assert (search["verb"], search["outcome"]) == ("knowledge.search", "done")
    assert "restricted" in answer.headers["x-headgate-labels"]


def test_a_count_of_tokens_has_the_passages(clerk: openai.OpenAI, store: str) -> None:
    alone = clerk.responses.input_tokens.count(model="onprem", input=ASKED)
    whole = clerk.responses.input_tokens.count(model="onprem", input=ASKED, tools=tool(store))
    assert whole.input_tokens > alone.input_tokens + 50


def test_a_stream_that_fails_has_its_search(lab: Lab, clerk: openai.OpenAI, store: str) -> None:
    lab.cloud.answer_always(Script(text="At most", breaks=Failure(500, "broken")))
    *_, last = list(clerk.responses.create(model="unreliable", input=ASKED, tools=tool(store), stream=True))
    assert last.type == "response.failed"
    assert last.response.output[0].type == "file_search_call"


def test_a_store_of_somebody_else_is_not_searched(lab: Lab, clerk: openai.OpenAI, store: str) -> None:
    with openai.OpenAI(base_url=lab.openai_url, api_key=lab.intern, max_retries=0, timeout=60) as intern:
        for one in (store, "board"):
            with pytest.raises(openai.NotFoundError):
                intern.responses.create(model="cloud", input=ASKED, tools=tool(one))
    with pytest.raises(openai.BadRequestError, match="vs_abc123"):
        clerk.responses.create(model="cloud", input=ASKED, tools=tool(store, "vs_abc123"))
    assert not lab.cloud.requests


def test_a_store_of_the_provider_passes_through(lab: Lab, clerk: openai.OpenAI) -> None:
    clerk.responses.create(model="own-wire", input=ASKED, tools=tool("vs_abc123"))
    assert lab.cloud.requests[0].json["tools"] == tool("vs_abc123")

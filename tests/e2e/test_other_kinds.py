"""Calls beside chats and embeddings, by unmodified SDKs against a whole Headgate."""

from __future__ import annotations

import base64
from typing import Any

import openai
import pytest

from headgate.testing.lab import PROVIDER_KEY, Lab
from headgate.testing.simulator import Failure, Script
from headgate.testing.simulator.media_wire import PIXEL, SOUND

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("model", ["cloud", "claude", "kinds"])
def test_legacy_completions_of_any_model(openai_client: openai.OpenAI, model: str) -> None:
    answer = openai_client.completions.create(model=model, prompt="Say hello", max_tokens=20)
    assert (answer.object, answer.model) == ("text_completion", model)
    assert answer.choices[0].text == "Hello from the simulator."
    assert answer.choices[0].finish_reason == "stop"
    chunks = list(
        openai_client.completions.create(
            model=model, prompt="Say hello", stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "Hello from the simulator."
    assert chunks[-1].usage is not None and chunks[-1].usage.total_tokens == 19


def test_what_a_chat_cannot_do_is_said_plainly(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="no completions of its own") as caught:
        openai_client.completions.create(model="claude", prompt="a", logprobs=2)
    assert caught.value.param == "logprobs"
    with pytest.raises(openai.BadRequestError, match="does not offer moderations"):
        openai_client.moderations.create(model="claude", input="a")


def test_personal_data_is_masked_in_prompts_and_restored_in_completions(lab: Lab, openai_client: openai.OpenAI) -> None:
    lab.cloud.script(Script(echo=True), Script(echo=True))
    answer = openai_client.completions.create(model="kinds", prompt="Write to anna@example.com", echo=True)
    assert "anna@example.com" not in lab.cloud.requests[0].body.decode()
    assert "anna@example.com" in answer.choices[0].text
    chunks = list(openai_client.completions.create(model="cloud", prompt="Write to anna@example.com", stream=True))
    assert "anna@example.com" not in lab.cloud.requests[1].body.decode()
    assert "anna@example.com" in "".join(chunk.choices[0].text for chunk in chunks)


def test_moderations_with_the_usual_model(lab: Lab, openai_client: openai.OpenAI) -> None:
    answer = openai_client.moderations.with_raw_response.create(input=["Violence of anna@example.com"])
    assert answer.parse().results[0].flagged
    assert "anna@example.com" not in lab.cloud.requests[0].body.decode()
    facts = lab.record(answer.headers["x-headgate-record"])["record"]["facts"]
    assert facts["cost_micros"] == 0


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_ranked_documents_come_back_as_they_were_sent(lab: Lab, path: str) -> None:
    documents: list[Any] = ["Bonn", "The dog of anna@example.com"]
    asked = {"model": "ranking", "query": "the dog", "documents": documents, "return_documents": True}
    with lab.http() as http:
        answer = http.post(path, json=asked)
    assert answer.status_code == 200, answer.text
    best = answer.json()["results"][0]
    assert (best["index"], best["document"]) == (1, {"text": documents[1]})
    assert answer.json()["meta"]["billed_units"] == {"search_units": 1}
    assert "anna@example.com" not in lab.cloud.requests[0].body.decode()
    facts = lab.record(answer.headers["x-headgate-record"])["record"]["facts"]
    assert (facts["searches"], facts["cost_micros"]) == (1, 2_000)
    assert facts["skipped"] == "cloud-gemini: it does not offer reranking"


def test_any_request_passes_through_where_a_rule_allows_it(lab: Lab, openai_client: openai.OpenAI) -> None:
    """Trap 46."""
    client = openai_client.with_options(base_url=f"{lab.gate.base_url}/passthrough/cloud-openai")
    made = client.vector_stores.with_raw_response.create(name="Notes of anna@example.com")
    assert made.parse().name == "Notes of anna@example.com"
    received = lab.cloud.requests[0]
    assert (received.method, received.path) == ("POST", "/v1/vector_stores")
    assert "anna@example.com" not in received.body.decode() and lab.clerk not in str(received.headers)
    facts = lab.record(made.headers["x-headgate-record"])["record"]["facts"]
    assert (facts["cost_micros"], facts["request"]) == (3, "POST cloud-openai")
    assert [store.id for store in client.vector_stores.list(limit=2)][:2] == ["vs_0", "vs_1"]
    assert client.vector_stores.delete("vs_0").deleted
    with pytest.raises(openai.NotFoundError, match="No vector store found"):
        client.vector_stores.retrieve("x")
    stream = client.chat.completions.create(
        model="gpt-sim", messages=[{"role": "user", "content": "I am anna@example.com"}], stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert "anna@example.com" not in lab.cloud.requests[-1].body.decode()


def test_a_provider_that_repeats_its_key_shows_it_to_nobody(lab: Lab) -> None:
    chat = {"messages": [{"role": "user", "content": "Hello"}]}
    with lab.http() as http:
        for path, model in (("/v1", "cloud"), ("/passthrough/cloud-openai", "gpt-sim")):
            lab.cloud.script(Script(failure=Failure(400, message=f"Wrong header: Bearer {PROVIDER_KEY}")))
            answer = http.post(f"{path}/chat/completions", json={"model": model, **chat})
            assert (answer.status_code, answer.json()["error"]["message"]) == (
                400,
                "Wrong header: Bearer [credential]",
            )


def test_no_request_passes_through_without_a_rule(lab: Lab) -> None:
    """Trap 46."""
    with lab.http(lab.intern) as intern, lab.http() as clerk:
        answer = intern.get("/passthrough/cloud-openai/vector_stores")
        assert answer.status_code == 400 and answer.json()["error"]["code"] == "denied", answer.text
        error = clerk.delete("/passthrough/cloud-openai/files/x").json()["error"]
        assert (error["code"], error["message"]) == (
            "denied",
            'No rule allows model.pass_through on "deployment:cloud-openai". Ask an administrator for a rule such as'
            ' permit (principal, action == Headgate::Action::"model.pass_through", resource) when { principal.id =='
            ' "clerk" && resource.id == "cloud-openai" && resource.method == "DELETE" && resource.path == "files/x" &&'
            ' resource.provider == "openai" };',
        )
        assert clerk.get("/passthrough/cloud-openai/../v1/files").status_code in (400, 404)
        assert clerk.get("/passthrough/cloud-openai/%2e%2e/files").status_code == 400
        assert clerk.get("/passthrough/cloud-openai/http://169.254.169.254/").status_code == 400
        assert clerk.get("/passthrough/cloud-openai/vector_stores?key=k").status_code == 400
        assert not lab.cloud.requests
        clerk.get("/passthrough/cloud-openai/vector_stores?include[]=a&include[]=b&after=").raise_for_status()
        assert lab.cloud.requests[0].path == "/v1/vector_stores?include%5B%5D=a&include%5B%5D=b&after="
        lab.reset()
        assert clerk.get("/passthrough/none/vector_stores").status_code == 404
        assert clerk.get("/passthrough/cloud-openai/vector_stores/anna@example.com").status_code == 400
    assert not lab.cloud.requests


def test_only_scanned_text_passes_through_beside_a_body(lab: Lab) -> None:
    form = b'--b\r\ncontent-disposition: form-data; name="%b"\r\nx-note: anna@example.com\r\n\r\n1\r\n--b--\r\n'
    sent = {"content-type": "multipart/form-data; boundary=b"}
    with lab.http() as clerk:
        at = "/passthrough/cloud-openai/vector_stores"
        assert clerk.post(at, content=form % b"anna@example.com", headers=sent).status_code == 400
        kind = {"content-type": "application/json; for=anna@example.com"}
        assert clerk.post(at, content=b"{}", headers=kind).status_code == 400
        beta = {"anthropic-beta": "4111111111111111"}
        assert clerk.post(at, json={}, headers=beta).status_code == 400
        assert not lab.cloud.requests
        clerk.post(at, content=form % b"name", headers=sent)
    assert b'name="name"' in lab.cloud.requests[0].body and b"anna" not in lab.cloud.requests[0].body


def test_images_and_speech_of_masked_text(lab: Lab, openai_client: openai.OpenAI) -> None:
    image = openai_client.images.generate(model="kinds", prompt="The house of anna@example.com", n=1)
    assert image.data is not None and base64.b64decode(image.data[0].b64_json or "") == PIXEL
    assert image.data[0].revised_prompt == "A picture: The house of anna@example.com"
    with openai_client.audio.speech.with_streaming_response.create(
        model="kinds", voice="alloy", input="Call anna@example.com"
    ) as speech:
        assert (speech.headers["content-type"], speech.read()) == ("audio/mpeg", SOUND)
        facts = lab.record(speech.headers["x-headgate-record"])["record"]["facts"]
    assert facts["cost_micros"] == facts["characters"] * 15 == 21 * 15
    assert "anna@example.com" not in str([one.body for one in lab.cloud.requests])


def test_sound_and_pictures_go_only_where_what_no_scan_reads_may_go(lab: Lab, openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError, match="unscanned"):
        openai_client.audio.transcriptions.create(model="cloud", file=("a.wav", b"RIFF"))
    assert not lab.cloud.requests
    lab.cloud.script(Script(text="I am anna@example.com"), Script(text="Hello"))
    told = openai_client.audio.transcriptions.create(model="seeing", file=("a.wav", b"RIFF"))
    assert told.text == "I am anna@example.com"
    sound = {"file": ("a.wav", b"RIFF")}
    with lab.http() as http:  # the SDK calls these two deprecated
        english = http.post("/v1/audio/translations", files=sound, data={"model": "seeing", "response_format": "text"})
        varied = http.post(
            "/v1/images/variations", files={"image": ("a.png", PIXEL)}, data={"model": "seeing", "n": "2"}
        )
    assert (english.text, english.headers["content-type"]) == ("Hello\n", "text/plain; charset=utf-8")
    assert len(varied.json()["data"]) == 2
    stream = openai_client.audio.transcriptions.create(model="seeing", file=("a.wav", b"RIFF"), stream=True)
    assert [event.type for event in stream][-1] == "transcript.text.done"
    edited = openai_client.images.edit(model="seeing", image=("a.png", PIXEL), prompt="a hat")
    assert edited.data is not None and edited.data[0].b64_json


def test_a_transcript_is_withheld_from_a_reader_who_may_not_see_it(lab: Lab) -> None:
    lab.cloud.script(Script(text="I am anna@example.com"))
    with lab.http(lab.intern) as intern:
        files, fields = {"file": ("a.wav", b"RIFF")}, {"model": "seeing", "response_format": "verbose_json"}
        answer = intern.post("/v1/audio/transcriptions", files=files, data=fields)
    assert answer.status_code == 400 and "unscanned" in answer.text
    assert "anna@example.com" not in answer.text

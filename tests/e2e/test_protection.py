"""What a whole Headgate keeps from a model in the cloud, and whom it gives the answer back whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from headgate.testing.lab import Lab
from headgate.testing.simulator import Framing, Received, Script, ToolCall

pytestmark = pytest.mark.e2e

SECRETS = {
    "card": "4111 1111 1111 1111",
    "IBAN": "DE89 3704 0044 0532 0130 00",
    "phone": "+49 30 901820",
    "e-mail": "anna.weber@example.org",
    "API key": "AKIAIOSFODNN7EXAMPLE",
}
PROMPT = "Please note: " + "; ".join(f"{name} {value}" for name, value in SECRETS.items()) + ". Thank you, Zoë 🙂"
USER: Any = [{"role": "user", "content": PROMPT}]

Ask = Callable[..., str]


def _openai(lab: Lab, key: str, model: str, *, stream: bool) -> str:
    with openai.OpenAI(base_url=lab.openai_url, api_key=key, max_retries=0) as client:
        if not stream:
            return client.chat.completions.create(model=model, messages=USER).choices[0].message.content or ""
        chunks = client.chat.completions.create(model=model, messages=USER, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def _anthropic(lab: Lab, key: str, model: str, *, stream: bool) -> str:
    with anthropic.Anthropic(base_url=lab.gate.base_url, api_key=key, max_retries=0) as client:
        if not stream:
            answer = client.messages.create(model=model, messages=USER, max_tokens=500)
            return "".join(block.text for block in answer.content if block.type == "text")
        with client.messages.stream(model=model, messages=USER, max_tokens=500) as events:
            return "".join(events.text_stream)


@pytest.fixture(params=["openai", "anthropic"])
def ask(request: pytest.FixtureRequest, lab: Lab) -> Ask:
    """Asks on one wire or the other; the simulator repeats what it was sent."""
    lab.cloud.answer_always(Script(echo=True, chunk_chars=3))
    lab.onprem.answer_always(Script(echo=True, chunk_chars=3))
    return _openai if request.param == "openai" else _anthropic


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", ["cloud", "claude"])
def test_a_cloud_model_sees_no_value_and_the_answer_comes_back_whole(
    lab: Lab, ask: Ask, model: str, stream: bool
) -> None:
    assert ask(lab, lab.clerk, model, stream=stream) == PROMPT
    body = _only_body(lab)
    assert _values_in(body) == []
    assert "Thank you, Zoë 🙂" in body, "what is no secret goes as it is"
    assert body.count("HGX_") == len(SECRETS)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_tokens_cut_into_single_bytes_come_back_whole(lab: Lab, stream: bool) -> None:
    lab.cloud.answer_always(Script(echo=True, chunk_chars=1, framing=Framing(split_bytes=7 if stream else None)))
    assert _openai(lab, lab.clerk, "cloud", stream=stream) == PROMPT


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", ["cloud", "claude"])
def test_nothing_is_restored_for_somebody_who_may_not_see_it(lab: Lab, ask: Ask, model: str, stream: bool) -> None:
    answer = ask(lab, lab.intern, model, stream=stream)
    assert _values_in(answer) == []
    assert answer.count("HGX_") == len(SECRETS)


def test_pseudonyms_are_stable_for_one_person_and_differ_between_two(lab: Lab) -> None:
    for key in (lab.clerk, lab.clerk, lab.intern):
        _openai(lab, key, "cloud", stream=False)
    one, again, other = (request.body for request in lab.cloud.requests)
    assert one == again
    assert one != other


def _takes_a_note(received: Received) -> Script:
    """A model that calls a tool with what it was sent, in JSON that needs escapes."""
    content = received.json["messages"][-1]["content"]
    text = content if isinstance(content, str) else content[0]["text"]
    return Script(
        text="", tool_calls=(ToolCall("note", json.dumps({"text": f'"{text}"\n\\'}), "call_1"),), chunk_chars=5
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", ["cloud", "claude"])
def test_tool_arguments_for_an_openai_client_are_restored_and_valid_json(lab: Lab, model: str, stream: bool) -> None:
    lab.cloud.answer_always(_takes_a_note)
    tools: Any = [{"type": "function", "function": {"name": "note", "parameters": {"type": "object"}}}]
    with openai.OpenAI(base_url=lab.openai_url, api_key=lab.clerk, max_retries=0) as client:
        if stream:
            chunks = client.chat.completions.create(model=model, messages=USER, tools=tools, stream=True)
            calls = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or ()]
            arguments = "".join((call.function and call.function.arguments) or "" for call in calls)
        else:
            message: Any = client.chat.completions.create(model=model, messages=USER, tools=tools).choices[0].message
            arguments = message.tool_calls[0].function.arguments
    assert json.loads(arguments) == {"text": f'"{PROMPT}"\n\\'}
    assert _values_in(_only_body(lab)) == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", ["cloud", "claude"])
def test_tool_arguments_for_an_anthropic_client_are_restored(lab: Lab, model: str, stream: bool) -> None:
    lab.cloud.answer_always(_takes_a_note)
    tools: Any = [{"name": "note", "input_schema": {"type": "object"}}]
    with anthropic.Anthropic(base_url=lab.gate.base_url, api_key=lab.clerk, max_retries=0) as client:
        if stream:
            with client.messages.stream(model=model, messages=USER, max_tokens=500, tools=tools) as events:
                answer = events.get_final_message()
        else:
            answer = client.messages.create(model=model, messages=USER, max_tokens=500, tools=tools)
    assert [block.input for block in answer.content if block.type == "tool_use"] == [{"text": f'"{PROMPT}"\n\\'}]
    assert _values_in(_only_body(lab)) == []


def test_values_in_system_prompts_tool_results_and_arguments_are_masked_too(lab: Lab) -> None:
    arguments = json.dumps({"to": SECRETS["e-mail"], "note": f"card {SECRETS['card']}"})
    messages: Any = [
        {"role": "system", "content": f"You serve {SECRETS['e-mail']}."},
        {"role": "user", "content": [{"type": "text", "text": f"Call {SECRETS['phone']}"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "mail", "arguments": arguments}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": f"sent to {SECRETS['IBAN']}, {SECRETS['API key']}"},
    ]
    with openai.OpenAI(base_url=lab.openai_url, api_key=lab.clerk, max_retries=0) as client:
        for model in ("cloud", "claude"):
            client.chat.completions.create(model=model, messages=messages)
    for request in lab.cloud.requests:
        assert _values_in(request.body.decode()) == []
        assert request.body.count(b"HGX_") == 6
    sent = lab.cloud.requests[0].json["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert set(json.loads(sent)) == {"to", "note"}


@pytest.mark.parametrize("escaped", ["anna.weber\\u0040example.org", "\\u0061nna.weber@example\\u002eorg"])
def test_values_hidden_in_json_escapes_are_masked(lab: Lab, escaped: str) -> None:
    body = f'{{"model":"cloud","messages":[{{"role":"user","content":"write to {escaped} now"}}]}}'
    with lab.http() as client:
        answer = client.post(
            "/v1/chat/completions", content=body.encode(), headers={"content-type": "application/json"}
        )
    assert answer.status_code == 200
    text = lab.cloud.requests[0].json["messages"][0]["content"]
    assert "anna" not in text
    assert text.startswith("write to HGX_EMAIL_")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_restricted_content_goes_to_our_own_model_instead(lab: Lab, ask: Ask, stream: bool) -> None:
    assert ask(lab, lab.claims, "hybrid", stream=stream) == PROMPT
    assert lab.cloud.connections == 0
    body = lab.onprem.requests[0].body.decode()
    assert SECRETS["card"] in body, "personal data may go to our own machines as it is"
    assert SECRETS["API key"] not in body, "but no model sees a key"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_restricted_content_without_a_model_of_our_own_is_refused_with_rule_and_reason(lab: Lab, stream: bool) -> None:
    request = {"model": "cloud", "messages": USER, "stream": stream}
    with lab.http(lab.claims) as client:
        answer = client.post("/v1/chat/completions", json=request)
        other = client.post("/v1/messages", json={**request, "model": "claude", "max_tokens": 10})
    assert (answer.status_code, other.status_code) == (400, 400)
    assert set(answer.json()) == {"error"}
    assert (other.json()["type"], other.json()["error"]["type"]) == ("error", "invalid_request_error")
    for refused in (answer, other):
        message = refused.json()["error"]["message"]
        assert "restricted" in message
        assert "lattice.flow" in message
        found = lab.record(refused.headers["x-headgate-record"])
        assert found["record"]["outcome"] == "refused"
    assert lab.cloud.connections == 0


def test_a_caller_may_raise_labels_and_is_held_to_them(lab: Lab) -> None:
    with lab.http() as client:
        for model, status in (("cloud", 400), ("hybrid", 200)):
            answer = client.post(
                "/v1/chat/completions",
                json={"model": model, "messages": [{"role": "user", "content": "x"}]},
                headers={"x-headgate-labels": "confidentiality=restricted"},
            )
            assert answer.status_code == status
    assert lab.cloud.connections == 0


def test_a_caller_may_not_lower_what_the_use_case_sets(lab: Lab) -> None:
    with lab.http(lab.claims) as client:
        answer = client.post(
            "/v1/chat/completions",
            json={"model": "cloud", "messages": [{"role": "user", "content": "x"}]},
            headers={"x-headgate-labels": "confidentiality=public"},
        )
    assert answer.status_code == 400
    assert lab.cloud.connections == 0


def test_a_key_cannot_choose_a_use_case_that_it_is_not_bound_to(lab: Lab) -> None:
    with lab.http(lab.claims) as client:
        answer = client.post(
            "/v1/chat/completions",
            json={"model": "cloud", "messages": [{"role": "user", "content": "x"}]},
            headers={"x-headgate-use-case": "support"},
        )
    assert answer.status_code == 400
    assert lab.cloud.connections == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_rules_that_observe_change_no_byte_and_record_what_they_would_do(lab: Lab, stream: bool) -> None:
    body = json.dumps(
        {"model": "cloud", "stream": stream, "messages": USER, "unknown": 1.50, "seed": 7},
        indent=1,
        ensure_ascii=False,
    ).encode()
    with lab.http(lab.watched) as client:
        answer = client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    arrived = lab.cloud.requests[0].body
    assert arrived.count(PROMPT.encode()) == 1
    assert arrived.startswith(body.split(b'"cloud"')[0]), "the client's own bytes, but for the model's name"
    dispatch = lab.record(answer.headers["x-headgate-record"])["record"]
    observed = {rule["id"] for rule in dispatch["rules"] if rule["mode"] == "observe"}
    assert observed == {"mask-personal-data", "mask-payment-data", "mask-secrets"}


def test_the_first_key_never_reaches_a_cloud_model(lab: Lab) -> None:
    with lab.http(lab.gate.admin_key) as client:
        for model in ("cloud", "claude", "unreliable", "unreliable-claude"):
            for path in ("/v1/chat/completions", "/v1/messages"):
                answer = client.post(path, json={"model": model, "max_tokens": 5, "messages": USER})
                assert answer.status_code == 400
                assert "getting-started-on-prem-only" in answer.text
        answer = client.post("/v1/embeddings", json={"model": "cloud-embed", "input": "x"})
        assert answer.status_code == 400
        mixed = client.post("/v1/chat/completions", json={"model": "hybrid", "messages": USER})
    assert (mixed.status_code, mixed.headers["x-headgate-deployment"]) == (200, "onprem")
    assert lab.cloud.connections == 0


def test_an_answer_of_the_model_with_a_new_value_is_labelled(lab: Lab) -> None:
    lab.cloud.script(Script(text="Ask eve.smith@example.net about it."))
    with lab.http() as client:
        answer = client.post(
            "/v1/chat/completions", json={"model": "cloud", "messages": [{"role": "user", "content": "who?"}]}
        )
    assert "pii" in answer.headers["x-headgate-labels"]


@pytest.mark.parametrize("name", ["idempotency-key", "openai-organization", "openai-project", "openai-beta", "x-more"])
def test_no_header_carries_a_value_to_the_cloud(lab: Lab, name: str) -> None:
    request = {"model": "cloud", "messages": [{"role": "user", "content": "x"}]}
    with lab.http() as client:
        for value in (SECRETS["e-mail"], SECRETS["card"], "org-" + SECRETS["e-mail"]):
            assert client.post("/v1/chat/completions", json=request, headers={name: value}).status_code == 200
    for received in lab.cloud.requests:
        assert _values_in(str(received.headers)) == []


def test_an_idempotency_key_goes_on_as_one_of_that_caller(lab: Lab) -> None:
    """Trap 41: callers share the account at the provider, which would give one the answer to another's call."""
    request = {"model": "cloud", "messages": [{"role": "user", "content": "x"}]}
    for key, value in ((lab.clerk, "1"), (lab.clerk, "1"), (lab.clerk, "2"), (lab.intern, "1")):
        with lab.http(key) as client:
            client.post("/v1/chat/completions", json=request, headers={"idempotency-key": value})
    one, again, second, other = (received.headers["idempotency-key"] for received in lab.cloud.requests)
    assert one == again
    assert len({one, second, other}) == 3


def test_organisation_and_project_go_on_in_their_own_form(lab: Lab) -> None:
    with openai.OpenAI(
        base_url=lab.openai_url, api_key=lab.clerk, organization="org-abc123", project="proj_def456", max_retries=0
    ) as client:
        client.chat.completions.create(model="cloud", messages=[{"role": "user", "content": "x"}])
    (received,) = lab.cloud.requests
    assert received.headers["openai-organization"] == "org-abc123"
    assert received.headers["openai-project"] == "proj_def456"


FIELDS: dict[str, dict[str, Any]] = {
    "user": {"user": SECRETS["e-mail"]},
    "metadata": {"metadata": {"who": SECRETS["e-mail"]}},
    "stop": {"stop": [SECRETS["e-mail"]]},
    "a tool's description": {
        "tools": [{"type": "function", "function": {"name": "f", "description": SECRETS["e-mail"]}}]
    },
    "a tool's parameter": {
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"properties": {SECRETS["e-mail"]: {}}}}}
        ]
    },
    "an unknown field": {"unheard_of": {"deep": [SECRETS["e-mail"], {SECRETS["card"]: 1}]}},
    "an image's address": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "https://a.test/?m=" + SECRETS["e-mail"]}}],
            }
        ]
    },
}


@pytest.mark.parametrize("model", ["cloud", "claude"])
@pytest.mark.parametrize("name", FIELDS)
def test_no_field_of_a_request_carries_a_value_to_the_cloud(lab: Lab, name: str, model: str) -> None:
    request = {"model": model, "messages": [{"role": "user", "content": "x"}], **FIELDS[name]}
    with lab.http() as client:
        assert client.post("/v1/chat/completions", json=request).status_code == 200
    assert _values_in(_only_body(lab)) == []


DISGUISED = [
    "anna.weber＠example.org", "anna.weber@exam\u200bple.org", "ANNA.WEBER@EXAMPLE.ORG", "anna.weber%40example.org",
    "４１１１ １１１１ １１１１ １１１１", "4111\u00a01111\u00a01111\u00a01111", "4111\u20111111\u20111111\u20111111",
    "4111\n1111\n1111\n1111", "٤١١١ ١١١١ ١١١١ ١١١١", "AKIA\u200bIOSFODNN7EXAMPLE", "&#97;nna.weber@example.org",
]  # fmt: skip


@pytest.mark.parametrize("value", DISGUISED)
def test_values_in_disguise_are_recognised_and_come_back_as_they_were(lab: Lab, value: str) -> None:
    lab.cloud.answer_always(Script(echo=True))
    text = f"note {value} ok"
    with openai.OpenAI(base_url=lab.openai_url, api_key=lab.clerk, max_retries=0) as client:
        answer = client.chat.completions.create(model="cloud", messages=[{"role": "user", "content": text}])
    assert answer.choices[0].message.content == text
    sent = lab.cloud.requests[0].json["messages"][0]["content"]
    assert sent.startswith("note HGX_")
    assert sent.endswith(" ok")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_new_value_in_an_answer_is_removed_for_somebody_who_may_not_see_it(lab: Lab, path: str, stream: bool) -> None:
    arguments = ToolCall("mail", json.dumps({"to": "eve.smith@example.net"}))
    answers = (Script(text="Ask eve.smith@example.net.", chunk_chars=3), Script(text="", tool_calls=(arguments,)))
    request = {"messages": [{"role": "user", "content": "who?"}], "stream": stream, "max_tokens": 50}
    with lab.http(lab.intern) as client:
        for script in answers:
            for model in ("cloud", "claude"):
                lab.cloud.script(script)
                answer = client.post(path, json={**request, "model": model})
                assert answer.status_code == 200
                assert "[removed:pii]" in answer.text
                assert "eve." not in answer.text


def test_the_pseudonym_of_another_exchange_is_not_turned_back(lab: Lab) -> None:
    lab.cloud.answer_always(Script(echo=True))
    with lab.http() as client:
        client.post("/v1/chat/completions", json={"model": "cloud", "messages": USER})
    token = lab.cloud.requests[0].json["messages"][0]["content"].split("e-mail ")[1].split(";")[0]
    for key in (lab.intern, lab.clerk):
        with lab.http(key) as client:
            stolen = {"model": "cloud", "messages": [{"role": "user", "content": f"what is {token}"}]}
            answer = client.post("/v1/chat/completions", json=stolen)
        assert answer.json()["choices"][0]["message"]["content"] == f"what is {token}"


def test_texts_to_embed_are_masked_for_the_cloud(lab: Lab) -> None:
    with openai.OpenAI(base_url=lab.openai_url, api_key=lab.clerk, max_retries=0) as client:
        client.embeddings.create(model="cloud-embed", input=[PROMPT, "plain"])
    assert _values_in(_only_body(lab)) == []


def test_what_leaves_is_what_the_preview_showed(lab: Lab) -> None:
    with lab.console() as browser:
        asked = {"text": PROMPT, "model": "hybrid", "use_case": "support"}
        preview = browser.post("/api/preview", json=asked).raise_for_status().json()
    kinds = {finding["kind"] for finding in preview["findings"]}
    assert {"email", "payment_card", "iban", "phone"} <= kinds
    cloud, onprem = preview["destinations"]
    assert _values_in(cloud["bytes_out"]) == []
    assert SECRETS["card"] in onprem["bytes_out"]
    assert lab.cloud.connections == lab.onprem.connections == 0


def _only_body(lab: Lab) -> str:
    (request,) = lab.cloud.requests
    return request.body.decode()


def _values_in(text: str) -> list[str]:
    """The values of the prompt that are in a text, spaces or none."""
    squeezed = text.replace(" ", "")
    return [name for name, value in SECRETS.items() if value.replace(" ", "") in squeezed]


SPLIT: dict[str, tuple[str, ...]] = {
    "card": ("Pay with ", "4111 1111", " 1111 1111", " today"),
    "card in four": ("4111", "1111", "1111", "1111"),
    "IBAN": ("To ", "DE89 3704 0044 ", "0532 0130 00"),
    "e-mail": ("Write to ", "anna.we", "ber@example.org", ", please"),
    "API key": ("Use ", "AKIAIOSF", "ODNN7EXAMPLE", " here"),
}
HARMLESS = ("Pay with ", " today", "To ", "Write to ", ", please", "Use ", " here")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("model", ["cloud", "claude"])
@pytest.mark.parametrize("name", SPLIT)
def test_a_value_that_is_split_over_parts_of_a_message_reaches_no_cloud(
    lab: Lab, name: str, model: str, path: str
) -> None:
    lab.cloud.answer_always(Script(echo=True))
    parts = [{"type": "text", "text": text} for text in SPLIT[name]]
    request = {"model": model, "max_tokens": 99, "messages": [{"role": "user", "content": parts}]}
    with lab.http() as client:
        answer = client.post(path, json=request)
    assert answer.status_code == 200
    content = lab.cloud.requests[0].json["messages"][0]["content"]
    arrived = content if isinstance(content, str) else "".join(part["text"] for part in content)
    assert not [text for text in SPLIT[name] if text not in HARMLESS and text.strip() in arrived]
    assert all(text in arrived for text in SPLIT[name] if text in HARMLESS)
    assert "HGX_" in arrived
    said = answer.json()
    told = said["choices"][0]["message"]["content"] if "choices" in said else said["content"][0]["text"]
    assert told.replace("\n", "") == "".join(SPLIT[name]), "and comes back whole"


@pytest.mark.parametrize("number", ["4111111111111111", "4111111111111111.0", "4.111111111111111e15"])
@pytest.mark.parametrize("model", ["cloud", "claude"])
def test_a_card_that_is_a_bare_number_reaches_no_cloud(lab: Lab, model: str, number: str) -> None:
    messages = [
        {"role": "user", "content": "pay"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "pay", "input": {"pan": 12345}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "done"}]},
    ]
    tools = [{"name": "pay", "input_schema": {"type": "object"}}]
    said = {"model": model, "max_tokens": 99, "odd": {"pan": [12345]}, "messages": messages, "tools": tools}
    body = json.dumps(said).replace("12345", number)
    with lab.http() as client:
        answer = client.post("/v1/messages", content=body.encode(), headers={"content-type": "application/json"})
    assert answer.status_code == 200
    arrived = _only_body(lab)
    assert "4111" not in arrived
    assert "4.1" not in arrived
    assert "HGX_" in arrived


def test_numbers_that_are_nobodys_stay_as_they_are(lab: Lab) -> None:
    numbers = '"seed":123456789012,"t":1.50,"n_ms":1764081658123'
    body = f'{{"model":"cloud",{numbers},"messages":[{{"role":"user","content":"x"}}]}}'.encode()
    with lab.http() as client:
        answer = client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert numbers in _only_body(lab)


@pytest.mark.parametrize("tokens", [[101, 2009, 102], [[101], [102]]])
def test_tokens_that_no_scan_can_read_stay_on_our_own_machines(lab: Lab, tokens: Any) -> None:
    with lab.http() as client:
        refused = client.post("/v1/embeddings", json={"model": "cloud-embed", "input": tokens})
        answered = client.post("/v1/embeddings", json={"model": "own-embed", "input": tokens})
        plain = client.post("/v1/embeddings", json={"model": "cloud-embed", "input": ["text"]})
    assert (refused.status_code, answered.status_code, plain.status_code) == (400, 200, 200)
    said = refused.json()["error"]
    assert "tokens and media cannot be looked at; send text" in said["message"]
    assert "lattice.flow" in said["message"]
    assert "unscanned" in answered.headers["x-headgate-labels"]
    assert lab.onprem.requests[0].json["input"] == tokens


_PIXELS = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/v1/chat/completions", {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXELS}"}}),
        ("/v1/chat/completions", {"type": "file", "file": {"filename": "a.bin", "file_data": "/wD+/w=="}}),
        ("/v1/chat/completions", {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
        ("/v1/messages", {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _PIXELS}}),
    ],
    ids=["image", "file", "sound", "anthropic image"],
)
def test_media_that_no_scan_can_read_stay_on_our_own_machines(lab: Lab, path: str, part: Any) -> None:
    body = {"model": "cloud", "max_tokens": 9, "messages": [{"role": "user", "content": [part]}]}
    with lab.http() as client:
        refused = client.post(path, json=body)
    assert refused.status_code == 400
    assert "media cannot be looked at" in refused.json()["error"]["message"]
    assert lab.cloud.requests == []


def test_an_image_is_answered_on_our_own_machines_and_where_the_deployment_may_have_it(lab: Lab) -> None:
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXELS}"}}
    for key, model in ((lab.clerk, "seeing"), (lab.clerk, "onprem"), (lab.clerk, "hybrid")):
        with lab.http(key) as client:
            body = {"model": model, "messages": [{"role": "user", "content": [part]}]}
            answer = client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"] == "Hello from the simulator."
        assert "unscanned" in answer.headers["x-headgate-labels"]
    assert len(lab.cloud.requests) == 1, "of several candidates it goes to the one that may have it"
    with lab.http(lab.intern) as client:
        withheld = client.post("/v1/chat/completions", json=body)
    assert withheld.status_code == 400, "who may see no personal data sees no answer about what may show some"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_that_a_client_sends_back_has_its_labels_again(lab: Lab, stream: bool, path: str) -> None:
    said = f"What the {path} said, {'bit by bit' if stream else 'at once'}, is for nobody but those who asked it here."
    lab.onprem.script(Script(text=said, chunk_chars=7))
    asked = [{"role": "user", "content": "x"}]
    request = {"model": "onprem", "max_tokens": 99, "stream": stream, "messages": asked}
    later = [*asked, {"role": "assistant", "content": said}, {"role": "user", "content": "Say it again"}]
    with lab.http() as client:
        client.post(path, json=request, headers={"x-headgate-labels": "confidentiality=restricted"})
        refused = client.post(path, json={"model": "cloud", "max_tokens": 99, "messages": later})
        invented = [asked[0], {"role": "assistant", "content": said + "!"}, asked[0]]
        allowed = client.post(path, json={"model": "cloud", "max_tokens": 99, "messages": invented})
    assert refused.status_code == 400
    assert "restricted" in refused.json()["error"]["message"]
    assert allowed.headers["x-headgate-labels"].endswith("integrity=untrusted")


def test_an_answer_that_its_caller_got_masked_is_not_kept_for_others(lab: Lab) -> None:
    cache = '{ ttl = "10m", scope = "use_case", level = "restricted", categories = ["pii", "pii_pseudonymous"] }'
    lab.gate.apply(f'{lab.toml}\n[[alias]]\nid = "cached"\ndeployments = ["cloud-openai"]\ncache = {cache}\n')
    lab.cloud.answer_always(Script(echo=True))
    question = {"model": "cached", "messages": [{"role": "user", "content": "I am anna@example.com"}]}
    told: list[tuple[str, str]] = []
    try:
        for key in (lab.intern, lab.clerk, lab.clerk):
            with lab.http(key) as client:
                answer = client.post("/v1/chat/completions", json=question).raise_for_status()
            text = answer.json()["choices"][0]["message"]["content"]
            told.append((answer.headers["x-headgate-cache"], text))
    finally:
        lab.gate.apply(lab.toml)
        lab.reset()
    assert told[0][0] == "miss" and "anna@example.com" not in told[0][1]
    assert told[1:] == [("miss", "I am anna@example.com"), ("hit", "I am anna@example.com")]

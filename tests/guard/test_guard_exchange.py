"""What is masked on the way out comes back only whole, only here, and only where its receiver may see it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.guard import Engine, GuardLabeller, GuardTransformer, Pseudonyms
from headgate.guard.exchange import GuardExchange
from headgate.guard.keeping import RecordMasker
from headgate.guard.masking import removed
from headgate.guard.pseudonyms import LONGEST_TOKEN, TOKEN, Book, Entry
from headgate.guard.quotation import Quotation
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.content import Labelled, TextSlot
from headgate.kernel.decision import Decision, Effect, LogLevel, Obligations
from headgate.kernel.errors import Invalid
from headgate.kernel.identity import Principal, TenantId, UseCase
from headgate.kernel.labels import EVERYTHING, Clearance, Confidentiality, Integrity, Labels
from headgate.wire import anthropic_messages, openai_chat, openai_embeddings
from headgate.wire.json_document import JsonDocument
from headgate.wire.model_call import MODEL_DISPATCH, MODEL_INVOKE, ModelCall, ModelReply
from headgate.wire.sse import SseEvent

KEY = b"k" * 32
TENANT = TenantId("acme")
EMAIL = "jane.doe@example.org"
CARD = "4111 1111 1111 1111"
ALL = frozenset({"pii", "pci", "secret"})


@dataclass(frozen=True, slots=True)
class Piece:
    """A stream item of no wire in particular."""

    slots: Sequence[TextSlot] = ()
    closes: Sequence[str] = ()
    is_inserted: bool = False

    def edit(self, texts: Sequence[str]) -> Piece:
        return replace(self, slots=[slot._replace(text=text) for slot, text in zip(self.slots, texts, strict=True)])

    def without_spelling(self) -> Piece:
        return self

    def insert(self, slot: TextSlot) -> Piece:
        return Piece((slot,), is_inserted=True)


def call(*texts: str) -> ModelCall:
    messages = [{"role": "user", "content": text} for text in texts]
    body = json.dumps({"model": "m", "messages": messages}).encode("utf-8", "surrogatepass")
    return ModelCall("openai_chat", JsonDocument.parse(body), "m")


def action(
    payload: Any, *, verb: Verb[Any, Any, Any] = MODEL_DISPATCH, principal: str = "jane", **context: Any
) -> Action[Any, Any, Any]:
    use_case = context.pop("use_case", UseCase("support", TENANT, owner="o", purpose="p"))
    return Action(
        verb, Principal(principal, TENANT), Resource("deployment", "d"), payload, Context(use_case, **context)
    )


def transformer(engine: Engine) -> GuardTransformer:
    return GuardTransformer(engine=engine, pseudonyms=Pseudonyms(KEY))


def exchange(
    engine: Engine, payload: Any, *, mask: frozenset[str] = ALL, receiver: Clearance = EVERYTHING, **rest: Any
) -> GuardExchange:
    done = action(payload, **rest)
    labelled = GuardLabeller(engine=engine).label(done)
    decision = Decision(Effect.ALLOW, obligations=Obligations(mask=mask))
    made = transformer(engine).transform(done, labelled=labelled, decision=decision, receiver=receiver)
    assert isinstance(made, GuardExchange)
    return made


def sent(made: GuardExchange) -> list[str]:
    body = json.loads(made.payload.content.to_bytes())
    return [message["content"] for message in body["messages"]]


def token_of(made: GuardExchange) -> str:
    match = TOKEN.search(sent(made)[0])
    assert match is not None
    return match.group()


def streamed(made: GuardExchange, pieces: Sequence[str], channel: str = "content/0") -> str:
    out: list[Piece] = []
    for piece in pieces:
        out += made.item(Piece((TextSlot(channel, piece),)))
    out += made.item(Piece(closes=("*",)))
    out += made.finish()
    return "".join(slot.text for item in out for slot in item.slots)


def whole(made: GuardExchange, text: str) -> str:
    reply = ModelReply("openai_chat", JsonDocument.parse(json.dumps({"content": text}).encode()))
    return json.loads(made.result(reply).content.to_bytes())["content"]


def clearance(*categories: str) -> Clearance:
    return replace(EVERYTHING, categories=frozenset(categories))


def test_values_leave_as_tokens_and_come_back_as_themselves(engine: Engine) -> None:
    made = exchange(engine, call(f"mail {EMAIL} about {CARD}."))
    assert EMAIL not in sent(made)[0] and CARD not in sent(made)[0]
    assert re.fullmatch(r"mail HGX_EMAIL_[A-Z]{15} about HGX_PAYMENTCARD_[A-Z]{15}\.", sent(made)[0])
    assert whole(made, sent(made)[0]) == f"mail {EMAIL} about {CARD}."
    assert made.facts == {"masked.email": 1, "masked.payment_card": 1}
    assert made.closing_facts() == {"restored.email": 1, "restored.payment_card": 1}


def test_masking_lowers_labels_to_pseudonymous_and_restoring_raises_them_again(engine: Engine) -> None:
    made = exchange(engine, call(f"mail {EMAIL}"))
    assert made.labels.categories == {"pii_pseudonymous"}
    assert made.output_labels.categories == {"pii_pseudonymous"}
    whole(made, sent(made)[0])
    assert made.output_labels.categories == {"pii_pseudonymous", "pii"}


def test_only_the_categories_that_the_duty_names_are_masked(engine: Engine) -> None:
    made = exchange(engine, call(f"mail {EMAIL} about {CARD}"), mask=frozenset({"pci"}))
    assert EMAIL in sent(made)[0] and CARD not in sent(made)[0]
    assert made.labels.categories == {"pii", "pci_pseudonymous"}


def test_a_floor_stays_whatever_is_masked(engine: Engine) -> None:
    floor = Labels(confidentiality=Confidentiality.CONFIDENTIAL, categories=frozenset({"pii"}))
    use_case = UseCase("support", TENANT, owner="o", purpose="p", floor=floor)
    made = exchange(engine, call(f"mail {EMAIL}"), use_case=use_case)
    assert "pii" in made.labels.categories and made.labels.confidentiality is Confidentiality.CONFIDENTIAL


def test_tokens_are_stable_within_principal_and_use_case_and_unlinkable_beyond(engine: Engine) -> None:
    payload = call(f"mail {EMAIL}")
    other = UseCase("sales", TENANT, owner="o", purpose="p")
    first, second = exchange(engine, payload), exchange(engine, payload)
    assert sent(first) == sent(second)
    assert (
        len(
            {
                token_of(each)
                for each in (
                    first,
                    exchange(engine, payload, principal="bob"),
                    exchange(engine, payload, use_case=other),
                )
            }
        )
        == 3
    )


def test_what_the_client_wrote_like_a_token_neither_reads_a_value_nor_changes(engine: Engine) -> None:
    token = token_of(exchange(engine, call(f"mail {EMAIL}")))
    made = exchange(engine, call(f"mail {EMAIL}, not {token}"))
    assert sent(made)[0].count(token) == 1
    assert whole(made, sent(made)[0]) == f"mail {EMAIL}, not {token}"
    stranger = exchange(engine, call(f"{token} and {CARD}"))
    assert token not in sent(stranger)[0]
    assert EMAIL not in whole(stranger, f"{token} " + sent(stranger)[0])


def test_a_token_that_was_not_sent_in_this_exchange_stays(engine: Engine) -> None:
    token = token_of(exchange(engine, call(f"mail {EMAIL}")))
    made = exchange(engine, call(f"about {CARD}"))
    assert whole(made, f"x {token}") == f"x {token}"


def test_a_receiver_without_clearance_gets_the_token(engine: Engine) -> None:
    made = exchange(engine, call(f"mail {EMAIL}"), receiver=clearance("pii_pseudonymous"))
    assert whole(made, sent(made)[0]) == sent(made)[0]
    assert made.closing_facts() == {"withheld.email": 1}
    assert made.output_labels.categories == {"pii_pseudonymous"}


@pytest.mark.parametrize("is_streamed", [False, True])
def test_what_the_model_brings_up_is_removed_for_a_receiver_without_clearance(
    engine: Engine, is_streamed: bool
) -> None:
    made = exchange(engine, call("hello"), receiver=clearance("pii"))
    text = f"Write to {EMAIL} or charge {CARD} now."
    released = streamed(made, list(text)) if is_streamed else whole(made, text)
    assert released == f"Write to {EMAIL} or charge [removed:pci] now."
    assert made.output_labels.categories == {"pii"}
    assert made.closing_facts() == {"removed.payment_card": 1}


def test_what_the_model_brings_up_labels_the_output(engine: Engine) -> None:
    made = exchange(engine, call("hello"), mask=frozenset())
    text = "word " * 400 + EMAIL + " word" * 400
    assert streamed(made, re.findall(r".{1,7}", text)) == text
    assert made.output_labels.categories == {"pii"}


def test_prose_about_a_url_still_gets_its_values(engine: Engine) -> None:
    made = exchange(engine, call(f"mail {EMAIL}"))
    token = token_of(made)
    assert (
        whole(made, f"See https://example.com/a, then mail {token}.")
        == f"See https://example.com/a, then mail {EMAIL}."
    )
    compact = json.dumps({"url": "https://example.com/a", "to": token}, separators=(",", ":"))
    assert json.loads(whole(made, compact)) == {"url": "https://example.com/a", "to": EMAIL}


def test_values_in_tool_arguments_keep_the_json_valid(engine: Engine) -> None:
    key = f'-----BEGIN {"PRIVATE KEY"}-----\nMIIEvQ"IBADANBgkq\n-----END {"PRIVATE KEY"}-----'
    for value in (key, 'password = "a\\b9-Xq7!zz"'):
        made = exchange(engine, call(f"use {value}"))
        arguments = json.dumps({"key": token_of(made)})
        restored = json.loads(streamed(made, list(arguments), "tool/0/0"))["key"]
        assert f"{restored}" in f"use {value}" and restored != token_of(made)
        assert json.loads(whole(made, arguments))["key"] == restored


def test_masking_json_inside_a_string_leaves_json(engine: Engine) -> None:
    arguments = json.dumps({"card": 4111111111111111, "to": f"line\n{EMAIL}", "n": [4111111111111111]})
    made = exchange(engine, call(arguments))
    masked = json.loads(sent(made)[0])
    assert TOKEN.fullmatch(masked["card"]) and TOKEN.fullmatch(masked["n"][0])
    assert json.loads(whole(made, sent(made)[0]))["to"] == f"line\n{EMAIL}"


def test_held_back_text_is_at_most_a_tokens_length_and_comes_out_at_the_end(engine: Engine) -> None:
    made = exchange(engine, call(f"mail {EMAIL}"))
    held = token_of(made)[:13]
    begun = f"text {held}"
    (item,) = made.item(Piece((TextSlot("content/0", begun),)))
    assert item.slots[0].text == "text "
    assert len(begun) - len(item.slots[0].text) <= LONGEST_TOKEN
    flushed, closing = made.item(Piece(closes=("content/0",)))
    assert flushed == Piece((TextSlot("content/0", held),), is_inserted=True)
    assert closing == Piece(closes=("content/0",))
    assert list(made.finish()) == []


def test_a_stream_that_ends_without_closing_releases_what_was_held(engine: Engine) -> None:
    made = exchange(engine, call(f"mail {EMAIL}"))
    made.item(Piece((TextSlot("content/0", "ab HG"),)))
    made.item(Piece((TextSlot("content/1", "cd H"),)))
    assert [item.slots[0] for item in made.finish()] == [TextSlot("content/0", "HG"), TextSlot("content/1", "H")]


def test_an_item_that_ends_its_own_channel_carries_everything(engine: Engine) -> None:
    made = exchange(engine, call(f"mail {EMAIL}"))
    token = token_of(made)
    made.item(Piece((TextSlot("content/0", token[:9]),)))
    (item,) = made.item(Piece((TextSlot("content/0", token[9:] + " H"),), closes=("*",)))
    assert item.slots[0].text == f"{EMAIL} H"


def test_items_without_text_pass_as_they_are(engine: Engine) -> None:
    made = exchange(engine, call(f"mail {EMAIL}"))
    thing, empty = object(), Piece()
    assert made.item(thing) == (thing,) and made.item(empty) == (empty,)
    assert made.result(thing) is thing


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_cutting_a_stream_in_other_places_changes_nothing(fast_engine: Engine, data: st.DataObject) -> None:
    payload = call(f"mail {EMAIL} about {CARD}")
    tokens = TOKEN.findall(sent(exchange(fast_engine, payload))[0])
    part = st.sampled_from(
        [
            *tokens,
            tokens[0][:8],
            "HGX_",
            "H",
            "https://",
            "x.io/",
            " ",
            "\n",
            '"',
            "](",
            "<",
            "src=",
            "'",
            "{",
            "ä",
            "\\",
            "//",
            ":",
            EMAIL,
        ]
    )
    text = "".join(data.draw(st.lists(part, max_size=12)))
    cuts = sorted(data.draw(st.sets(st.integers(0, max(0, len(text))), max_size=10)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    channel = data.draw(st.sampled_from(["content/0", "tool/0/0"]))
    receiver = data.draw(st.sampled_from([EVERYTHING, clearance("pii", "pii_pseudonymous", "pci_pseudonymous")]))
    one = exchange(fast_engine, payload, receiver=receiver)
    many = exchange(fast_engine, payload, receiver=receiver)
    assert streamed(many, pieces, channel) == streamed(one, [text], channel)
    assert many.output_labels == one.output_labels
    assert many.closing_facts() == one.closing_facts()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([EMAIL, CARD, "Ünï 😀", "DE89370400440532013000", "HGX_EMAIL_BCDFGHJKLMNPQRS", "+49 30 901820"])
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(
            lambda text: not re.search(r"[/\\:.({\[<=%&]", text)
        ),
        max_size=8,
    )
)
def test_what_goes_out_and_is_said_back_is_what_was_written(fast_engine: Engine, parts: list[str]) -> None:
    text = " ".join(parts)
    made = exchange(fast_engine, call(text))
    assert not any(f.category in ALL for f in fast_engine.scan_text(TOKEN.sub("", sent(made)[0])))
    assert whole(made, sent(made)[0]) == text
    assert streamed(exchange(fast_engine, call(text)), list(sent(made)[0])) == text


def test_planning_is_left_to_what_it_plans(engine: Engine) -> None:
    planned = action(call(f"mail {EMAIL}"), verb=MODEL_INVOKE)
    labelled = GuardLabeller(engine=engine).label(planned)
    decision = Decision(Effect.ALLOW, obligations=Obligations(mask=ALL))
    made = transformer(engine).transform(planned, labelled=labelled, decision=decision, receiver=EVERYTHING)
    assert made.is_transparent and made.payload is planned.payload
    assert list(made.item(1)) == [1] and made.result(2) == 2 and not made.finish() and not made.closing_facts()


def test_labels_are_inherited_for_the_same_content_only(engine: Engine) -> None:
    labeller = GuardLabeller(engine=engine)
    payload = call(f"mail {EMAIL}")
    outer = labeller.label(action(payload, verb=MODEL_INVOKE))
    assert labeller.label(action(payload, inherited=outer)) is outer
    other = labeller.label(action(call(f"charge {CARD}"), inherited=outer))
    assert other.labels.categories == {"pii", "pci"} and [f.kind for f in other.findings] == ["payment_card"]
    foreign = Labelled(labels=Labels(categories=frozenset({"phi"})))
    assert "phi" in labeller.label(action(payload, inherited=foreign)).floor.categories


def test_a_glance_tells_the_same_or_nothing(engine: Engine) -> None:
    labeller = GuardLabeller(engine=engine)
    for text in ("Nothing to see here.", "as chatcmpl-BxMBsQCjcvOUaJLnQnSXUSWqMJKcT says"):
        plain = action(call(text))
        assert labeller.glance(plain) == labeller.label(plain)
    assert labeller.glance(action(call("jane@example.org"))) is None


def test_labels_join_tenant_use_case_caller_and_what_was_found(engine: Engine) -> None:
    use_case = UseCase("s", TENANT, owner="o", purpose="p", floor=Labels(regions=frozenset({"eu"})))
    caller = Labels(confidentiality=Confidentiality.INTERNAL)
    labelled = GuardLabeller(engine=engine).label(action(call(EMAIL), use_case=use_case, floor=caller))
    assert labelled.floor == Labels(tenant="acme", confidentiality=Confidentiality.INTERNAL, regions=frozenset({"eu"}))
    assert labelled.labels == labelled.floor.with_categories(frozenset({"pii"}))
    assert GuardLabeller(engine=engine).label(action("no content")).labels == Labels(tenant="acme")


def test_what_no_scan_can_read_is_labelled_so_and_no_masking_lowers_it(engine: Engine) -> None:
    tokens = JsonDocument.parse(b'{"model":"m","input":[1,2,3]}').opaque()
    made = exchange(engine, ModelCall("openai_embeddings", tokens, "m", operation="embed"), mask=ALL | {"unscanned"})
    assert "unscanned" in made.labels.categories


@pytest.mark.parametrize(("role", "integrity"), [("tool", Integrity.UNTRUSTED), ("user", Integrity.TRUSTED)])
def test_what_tools_said_is_untrusted(engine: Engine, role: str, integrity: Integrity) -> None:
    message = {"role": role, "tool_call_id": "1", "content": "sunny"}
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "how is it?"}, message]})
    payload = openai_chat.dialect.read_call(body.encode(), headers={})
    assert GuardLabeller(engine=engine).label(action(payload)).labels.integrity is integrity


def test_two_values_never_share_a_token() -> None:
    book = Book(lambda: b"k" * 32, code_size=1)
    tokens = {book.token(Entry(str(number), "email", "pii")) for number in range(20)}
    assert len(tokens) == 20 == len(book)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(Invalid, match="16 or more"):
        Pseudonyms(b"short")


def test_a_long_secret_is_removed_whole_from_a_stream(engine: Engine) -> None:
    key = f"-----BEGIN {'PRIVATE KEY'}-----\n" + "MIIEvQIBADANBgkq\n" * 100 + f"-----END {'PRIVATE KEY'}-----"
    made = exchange(engine, call("hi"), receiver=clearance("pii"))
    assert streamed(made, re.findall(r"(?s).{1,50}", f"a {key} b")) == "a [removed:secret] b"


def test_a_secret_longer_than_any_window_is_still_not_released(engine: Engine) -> None:
    key = f"-----BEGIN {'PRIVATE KEY'}-----\n" + "MIIEvQIBADANBgkq\n" * 2000
    made = exchange(engine, call("hi"), receiver=clearance("pii"))
    assert "MIIE" not in streamed(made, re.findall(r"(?s).{1,1000}", key))


def spelled(*tokens: str) -> dict[str, Any]:
    """Log probabilities as OpenAI gives them: each token as text, as bytes, and among its alternatives."""
    pieces = [{"token": token, "logprob": -0.1, "bytes": list(token.encode())} for token in tokens]
    return {"content": [{**piece, "top_logprobs": [piece]} for piece in pieces], "refusal": None}


def answered(made: GuardExchange, *, is_streamed: bool, **choice: Any) -> list[Any]:
    """What a client is given of a choice, with its last chunk where it is streamed."""
    if not is_streamed:
        body = {"choices": [{"index": 0, "finish_reason": "stop", "message": choice.pop("said"), **choice}]}
        reply = openai_chat.dialect.read_reply(json.dumps(body).encode(), headers={})
        return [json.loads(made.result(reply).content.to_bytes())]
    reader = openai_chat.dialect.read_events()
    chunk = {"choices": [{"index": 0, "finish_reason": "stop", "delta": choice.pop("said"), **choice}]}
    items = [out for event in reader.feed(SseEvent("", json.dumps(chunk).encode())) for out in made.item(event)]
    return [json.loads(item.data) for item in items]


@pytest.mark.parametrize("is_streamed", [False, True])
def test_where_something_is_removed_nothing_spells_it_token_by_token(engine: Engine, is_streamed: bool) -> None:
    made = exchange(engine, call("hi"), receiver=clearance("pci"))
    logprobs = spelled("jane", ".", "doe", "@", "example", ".org")
    (given,) = answered(
        made, is_streamed=is_streamed, said={"content": EMAIL, "x": "y"}, logprobs=logprobs, token_ids=[7, 8]
    )
    choice = given["choices"][0]
    assert choice["delta" if is_streamed else "message"] == {"content": "[removed:pii]", "x": "y"}
    assert choice["logprobs"] is None and choice["token_ids"] is None
    assert made.closing_facts() == {"removed.email": 1, "removed.logprobs": 1}


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_refusal_is_not_spelled_either_and_null_stays_as_it_is(engine: Engine, is_streamed: bool) -> None:
    made = exchange(engine, call("hi"), receiver=clearance("pci"))
    logprobs = {"content": None, "refusal": spelled("No", "jane")["content"]}
    (given,) = answered(made, is_streamed=is_streamed, said={"refusal": "No."}, logprobs=logprobs)
    assert given["choices"][0]["logprobs"] is None
    (given,) = answered(made, is_streamed=is_streamed, said={"content": "Yes."}, logprobs=None)
    assert made.closing_facts() == {"removed.logprobs": 1}


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_receiver_who_may_see_everything_gets_log_probabilities(engine: Engine, is_streamed: bool) -> None:
    logprobs = spelled("jane", ".", "doe")
    (given,) = answered(
        exchange(engine, call("hi")), is_streamed=is_streamed, said={"content": "jane.doe"}, logprobs=logprobs
    )
    assert given["choices"][0]["logprobs"] == logprobs


ARGUMENTS = (
    '{"card":4111111111111111,"n":1}',
    '{"card": 4111111111111111 }',
    '{"csv":"a,4111111111111111,b","card":[1,4111111111111111]}',
    '{"said":"the \\"card\\" 4111111111111111","card":4111111111111111}',
    '{"card":-4111111111111111.0,"path":"C:\\\\"}',
    '{"4111111111111111":4111111111111111}',
    '[{"card":4111111111111111}]',
)


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("how", ["whole", "streamed", "in little pieces", "masked"])
def test_a_number_that_is_taken_out_of_json_leaves_json(engine: Engine, arguments: str, how: str) -> None:
    made = exchange(engine, call(arguments), receiver=clearance("pii", "pci_pseudonymous"))
    match how:
        case "whole":
            given = whole(made, arguments)
        case "masked":
            given = sent(made)[0]
        case _:
            given = streamed(made, list(arguments) if how == "in little pieces" else [arguments], "tool/0/0")
    assert "4111111111111111" not in given
    before, after = json.loads(arguments), json.loads(given)
    assert type(after) is type(before) and len(after) == len(before)


def test_numbers_far_into_streamed_arguments_are_removed_whole(engine: Engine) -> None:
    made = exchange(engine, call("hi"), receiver=clearance("pii"))
    cards = [-4111111111111111, 1, "4111111111111111", 2] * 60
    given = json.loads(streamed(made, list(json.dumps({"cards": cards})), "tool/0/0"))["cards"]
    assert given == ["[removed:pci]", 1, "[removed:pci]", 2] * 60


def test_an_address_far_into_streamed_json_is_removed_whole(engine: Engine) -> None:
    made = exchange(engine, call("hi"), receiver=clearance("pci"))
    given = streamed(made, list(json.dumps({"to": "jane@example.de " * 60})))
    assert json.loads(given) == {"to": "[removed:pii] " * 60}


@pytest.mark.parametrize("template", ['[{"k":"%s"}]', '```json\n{"k":"%s"}\n```', ' [ "%s" ]', '```\n["%s"]\n```'])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_value_of_several_lines_comes_back_into_json_as_json(
    engine: Engine, template: str, is_streamed: bool
) -> None:
    key = f"-----BEGIN {'PRIVATE KEY'}-----\nMIIEvQIBADANBgkq\n-----END {'PRIVATE KEY'}-----"
    made = exchange(engine, call(f"use {key}"))
    said = template % token_of(made)
    given = streamed(made, list(said)) if is_streamed else whole(made, said)
    assert json.loads(given.strip("`json\n")) in ({"k": key}, [{"k": key}], [key])


@pytest.mark.parametrize("before", ["", "[link] ", "```python\n", "```bash\n[", "[1] ", " " * 300 + "{"])
def test_a_value_of_several_lines_comes_back_into_prose_as_it_was(engine: Engine, before: str) -> None:
    key = f"-----BEGIN {'PRIVATE KEY'}-----\nMIIEvQIBADANBgkq\n-----END {'PRIVATE KEY'}-----"
    made = exchange(engine, call(f"use {key}"))
    assert streamed(made, list(before + token_of(made))) == before + key
    assert whole(made, before + token_of(made)) == before + key


def given_for(made: GuardExchange, *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices of the chunks that a client of OpenAI's wire is given for these deltas of a stream."""
    reader = openai_chat.dialect.read_events()
    choices: list[Any] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    events = [
        event for choice in choices for event in reader.feed(SseEvent("", json.dumps({"choices": [choice]}).encode()))
    ]
    items = [*(item for event in events for item in made.item(event)), *made.finish()]
    return [json.loads(item.data)["choices"][0] for item in items]


BETWEEN = (
    {"reasoning_content": "hm"},
    {"refusal": "no"},
    {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
)


@pytest.mark.parametrize("between", BETWEEN, ids=["reasoning", "refusal", "tool call"])
@pytest.mark.parametrize("key", ["content", "reasoning_content", "refusal"])
def test_what_comes_between_the_halves_of_a_value_does_not_get_it_past_removal(
    engine: Engine, between: dict[str, Any], key: str
) -> None:
    if key in between:
        between = {"content": "hm"}
    made = exchange(engine, call("hi"), receiver=clearance("pci"))
    choices = given_for(made, {key: f"mail {EMAIL[:9]}"}, between, {key: EMAIL[9:]})
    assert "".join(choice["delta"].get(key) or "" for choice in choices) == "mail [removed:pii]"
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["stop"]


@pytest.mark.parametrize("between", BETWEEN, ids=["reasoning", "refusal", "tool call"])
def test_what_comes_between_the_halves_of_a_token_does_not_keep_its_value_away(
    engine: Engine, between: dict[str, Any]
) -> None:
    made = exchange(engine, call(f"mail {EMAIL}"))
    token = token_of(made)
    choices = given_for(made, {"content": f"To {token[:9]}"}, between, {"content": f"{token[9:]} now"})
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == f"To {EMAIL} now"


def test_an_answer_that_spells_nothing_stays_byte_for_byte_for_whoever_may_see_little(engine: Engine) -> None:
    made = exchange(engine, call("hi"), receiver=clearance("pci"))
    vectors = openai_embeddings.dialect.read_reply(b'{"object":"list", "data":[]}', headers={})
    assert made.result(vectors).content.to_bytes() == b'{"object":"list", "data":[]}'
    data = b'{"type":"content_block_start", "index":0,"content_block":{"type":"text","text":""}}'
    (event,) = anthropic_messages.dialect.read_events().feed(SseEvent("content_block_start", data))
    assert [item.data for item in made.item(event)] == [data]


def test_two_values_in_one_bare_number_are_removed_as_one(engine: Engine) -> None:
    finding = next(iter(engine.scan_text("4111111111111111")))
    twice = [finding._replace(start=8, end=12), finding._replace(start=13, end=17)]
    assert removed('{"card":4111.4111}', twice, quotation=Quotation()) == '{"card":"[removed:pci]"}'


def kept(engine: Engine, payload: ModelCall) -> RecordMasker:
    asked = action(payload)
    labelled = GuardLabeller(engine=engine).label(asked)
    decision = Decision(Effect.ALLOW, obligations=Obligations(log=LogLevel.MASKED))
    made = transformer(engine).transform(asked, labelled=labelled, decision=decision, receiver=EVERYTHING)
    assert isinstance(made.keeper, RecordMasker)
    return made.keeper


def test_a_record_keeps_nothing_of_what_no_scan_can_read(engine: Engine) -> None:
    tokens = JsonDocument.parse(b'{"model": "m", "input": [1, 2, 3]}')
    opaque = openai_embeddings.dialect.read_call(tokens.to_bytes(), headers={})
    assert opaque.content.is_opaque
    assert kept(engine, opaque).payload() is None


def test_a_stream_that_was_cut_is_kept_without_what_may_go_on_behind_the_cut(engine: Engine) -> None:
    keeper = kept(engine, call("hello"))
    early, through, late = f"{EMAIL} {'y' * 400}", f"to {EMAIL} {'z' * 245}", f"{'y' * 300} {EMAIL}"
    for text in (early, through, late):
        whole, cut = (
            json.loads(keeper.channels({"content/0": text}, is_whole=one))["content/0"] for one in (True, False)
        )
        assert TOKEN.search(whole) and "jane" not in whole + cut
        assert len(cut) < len(whole) - 200

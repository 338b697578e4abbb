"""What a model said under labels has them again when a client sends it back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from headgate.guard import AnswerMemory, Engine, GuardLabeller, GuardTransformer, Pseudonyms
from headgate.guard.answers import MOST_CHARS
from headgate.guard.exchange import GuardExchange
from headgate.guard.pseudonyms import TOKEN
from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect, Obligations
from headgate.kernel.identity import Principal, TenantId, UseCase
from headgate.kernel.labels import EVERYTHING, Confidentiality, Custody, Integrity, Labels
from headgate.testing.clock import FakeClock
from headgate.testing.notes import Piece
from headgate.wire.anthropic_messages import dialect as anthropic
from headgate.wire.dialect import Outgoing
from headgate.wire.model_call import MODEL_DISPATCH, Deployment, ModelDispatch
from headgate.wire.openai_chat import dialect as openai

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
SUPPORT, CLAIMS = (UseCase(name, ACME, owner="o", purpose="p") for name in ("support", "claims"))
SAID = "The claim was settled for a sum that neither side may speak of, in the spring of the year after."
SECRET = Labels(confidentiality=Confidentiality.RESTRICTED, readers=frozenset({"board"}), custody=Custody.ORGANISATION)


class Shelf:
    """A table that forgets nothing."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def put(self, key: bytes, value: bytes, *, written_at: int) -> None:
        assert len(value) <= 474 and written_at > 0
        self.values[key] = value


@pytest.fixture
def memory() -> AnswerMemory:
    return AnswerMemory(Shelf(), key=b"k" * 32, clock=FakeClock())


def sending_back(
    *said: Any, use_case: UseCase = SUPPORT, wire: str = "openai", caller: str = "jane"
) -> Action[Any, Any, Any]:
    turns = [{"role": "user", "content": "and?"}, *({"role": "assistant", "content": text} for text in said)]
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [*turns, {"role": "user", "content": "so?"}]})
    call = (openai if wire == "openai" else anthropic).read_call(body.encode(), headers={})
    principal = Principal(caller, use_case.tenant)
    return Action(MODEL_DISPATCH, principal, Resource("deployment", "d"), call, Context(use_case))


def labelled(engine: Engine, memory: AnswerMemory | None, *said: Any, **how: Any) -> Labelled:
    return GuardLabeller(engine=engine, answers=memory).label(sending_back(*said, **how))


def answering(
    engine: Engine, memory: AnswerMemory, *said: str, labels: Labels, use_case: UseCase = SUPPORT
) -> GuardExchange:
    """The exchange of a call whose context has these labels, and in which addresses are masked."""
    transformer = GuardTransformer(engine=engine, pseudonyms=Pseudonyms(b"k" * 32), answers=memory)
    action = sending_back(*said, use_case=use_case)
    decision = Decision(Effect.ALLOW, obligations=Obligations(mask=frozenset({"pii"} if said else ())))
    found = engine.scan_content(action.payload.content)
    context = Labelled(replace(labels, tenant=use_case.tenant), found)
    made = transformer.transform(action, labelled=context, decision=decision, receiver=EVERYTHING)
    assert isinstance(made, GuardExchange)
    return made


def streamed(made: GuardExchange, pieces: Sequence[tuple[str, str]]) -> None:
    for channel, text in pieces:
        made.item(Piece(text, channel))
    made.finish()
    made.closing_facts()


def test_an_answer_that_comes_back_has_its_labels_again(fast_engine: Engine, memory: AnswerMemory) -> None:
    made = answering(fast_engine, memory, labels=SECRET)
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}]}
    made.result(openai.read_reply(json.dumps(body).encode(), headers={}))
    found = labelled(fast_engine, memory, SAID)
    assert found.labels == found.floor == replace(SECRET, tenant=ACME)
    assert labelled(fast_engine, memory, SAID, use_case=CLAIMS).labels.readers == {"board"}, "in any use case"


def test_text_that_nobody_said_is_untrusted_and_has_the_use_cases_floor(
    fast_engine: Engine, memory: AnswerMemory
) -> None:
    floor = Labels(confidentiality=Confidentiality.CONFIDENTIAL)
    found = labelled(fast_engine, memory, SAID, use_case=replace(SUPPORT, floor=floor))
    assert (found.labels.integrity, found.labels.confidentiality) == (Integrity.UNTRUSTED, Confidentiality.CONFIDENTIAL)
    assert labelled(fast_engine, None, SAID).labels.integrity is Integrity.UNTRUSTED
    assert labelled(fast_engine, memory).labels.integrity is Integrity.TRUSTED, "where nothing was said"
    assert labelled(fast_engine, memory, "", None).labels.integrity is Integrity.TRUSTED


def test_one_invented_turn_among_true_ones_is_enough(fast_engine: Engine, memory: AnswerMemory) -> None:
    streamed(answering(fast_engine, memory, labels=Labels()), [("content/0", SAID)])
    assert labelled(fast_engine, memory, SAID).labels.integrity is Integrity.TRUSTED
    assert labelled(fast_engine, memory, SAID, SAID + "!").labels.integrity is Integrity.UNTRUSTED


@pytest.mark.parametrize(
    "sent_back",
    [
        [{"type": "text", "text": SAID}, {"type": "text", "text": "And more."}],
        SAID + "And more.",
    ],
    ids=["in its blocks", "in one piece, as another wire gives it"],
)
@pytest.mark.parametrize("is_stream", [True, False])
def test_an_answer_in_blocks_is_known_whole_and_in_parts(
    fast_engine: Engine, memory: AnswerMemory, is_stream: bool, sent_back: Any
) -> None:
    made = answering(fast_engine, memory, labels=SECRET)
    if is_stream:
        streamed(
            made, [("content/0", SAID[:40]), ("tool/0/1", "{}"), ("content/0", SAID[40:]), ("content/2", "And more.")]
        )
    else:
        blocks = [
            {"type": "text", "text": SAID},
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "And more."},
        ]
        made.result(anthropic.read_reply(json.dumps({"type": "message", "content": blocks}).encode(), headers={}))
    found = labelled(fast_engine, memory, sent_back, wire="anthropic")
    assert found.labels == replace(SECRET, tenant=ACME)


def test_what_is_restored_is_remembered_as_the_client_got_it_and_can_be_masked_again(
    engine: Engine, memory: AnswerMemory
) -> None:
    said = f"{SAID} Write to jane.doe@example.org."
    streamed(answering(engine, memory, labels=Labels(categories=frozenset({"pii", "phi"}))), [("content/0", said)])
    found = labelled(engine, memory, said)
    assert found.labels.categories == {"pii", "phi"}
    assert found.floor.categories == {"phi"}, "personal data is found anew, and masked where it is"


def test_texts_that_are_said_by_chance_are_known_in_their_own_use_case_and_to_their_caller_only(
    fast_engine: Engine, memory: AnswerMemory
) -> None:
    streamed(answering(fast_engine, memory, labels=SECRET, use_case=CLAIMS), [("content/0", "How can I help you?")])
    assert labelled(fast_engine, memory, "How can I help you?", use_case=CLAIMS).labels.readers == {"board"}
    for others in ({}, {"use_case": CLAIMS, "caller": "joe"}):
        found = labelled(fast_engine, memory, "How can I help you?", **others).labels
        assert found == Labels(tenant=ACME, integrity=Integrity.UNTRUSTED)


def test_no_tenant_is_told_what_another_was_answered(fast_engine: Engine, memory: AnswerMemory) -> None:
    streamed(answering(fast_engine, memory, labels=SECRET), [("content/0", SAID)])
    found = labelled(fast_engine, memory, SAID, use_case=replace(SUPPORT, tenant=GLOBEX)).labels
    assert found == Labels(tenant=GLOBEX, integrity=Integrity.UNTRUSTED)


def test_the_same_text_under_two_labels_has_both(memory: AnswerMemory) -> None:
    for name in ("one", "two"):
        memory.remember([SAID], Labels(tenant=ACME, readers=frozenset({name})), use_case=SUPPORT, caller="ada")
    assert memory.recall([SAID], use_case=SUPPORT, caller="ada").readers == {"one", "two"}


@pytest.mark.parametrize(
    "labels",
    [Labels(readers=frozenset(f"reader-{number}" for number in range(99))), Labels(readers=frozenset({"a;b"}))],
    ids=["too long", "not readable"],
)
def test_labels_that_cannot_be_kept_let_the_text_flow_nowhere(memory: AnswerMemory, labels: Labels) -> None:
    memory.remember([SAID], labels, use_case=SUPPORT, caller="ada")
    assert memory.recall([SAID], use_case=SUPPORT, caller="ada").obstacles(EVERYTHING)


def test_an_answer_beyond_all_measure_is_untrusted(fast_engine: Engine, memory: AnswerMemory) -> None:
    made = answering(fast_engine, memory, labels=SECRET)
    streamed(made, [("content/0", SAID), ("content/0", "x" * (1 << 20))])
    assert memory.recall([SAID + "x" * (1 << 20)], use_case=SUPPORT, caller="ada").integrity is Integrity.UNTRUSTED
    memory.remember(["x" * (1 << 21), ""], SECRET, use_case=SUPPORT, caller="ada")
    assert memory.recall(["x" * (1 << 21)], use_case=SUPPORT, caller="ada").integrity is Integrity.UNTRUSTED


def test_the_table_holds_no_word_of_what_was_said(fast_engine: Engine) -> None:
    shelf = Shelf()
    memory = AnswerMemory(shelf, key=b"k" * 32, clock=FakeClock())
    memory.remember([SAID], SECRET, use_case=SUPPORT, caller="ada")
    assert list(shelf.values.values()) == [str(SECRET).encode()]
    assert all(len(key) == 16 for key in shelf.values)
    other = AnswerMemory(shelf, key=b"x" * 32, clock=FakeClock())
    assert other.recall([SAID], use_case=SUPPORT, caller="ada").integrity is Integrity.UNTRUSTED


def test_what_a_stream_held_back_is_part_of_what_was_said(fast_engine: Engine, memory: AnswerMemory) -> None:
    made = answering(fast_engine, memory, "jane.doe@example.org", labels=SECRET)
    streamed(made, [("content/0", f"{SAID} HGX_EMAI")])
    assert memory.recall([f"{SAID} HGX_EMAI"], use_case=SUPPORT, caller="ada").readers == {"board"}


ADDRESS, EMAIL, KEY = "203.0.113.7", "jane.doe@example.org", b"k" * 32
MASKED = frozenset({"pii", "pci"})


def thinking(
    engine: Engine,
    memory: AnswerMemory | None,
    *thoughts: str,
    user: str = f"mail {EMAIL}",
    to: str = "claude",
    url: str = "https://one.example",
    use_case: UseCase = SUPPORT,
    signature: str = "c2lnbmVk",
    principal: str = "jane",
) -> GuardExchange:
    """The exchange of a call that takes thoughts back to a deployment of Anthropic's wire, where values are masked."""
    blocks = [{"type": "thinking", "thinking": thought, "signature": signature} for thought in thoughts]
    turns: list[Any] = [{"role": "user", "content": user}]
    if blocks:
        turns += [{"role": "assistant", "content": [*blocks, {"type": "text", "text": "Hm."}]}]
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": turns})
    call = anthropic.read_call(body.encode(), headers={})
    deployment = Deployment(to, provider="anthropic", model="claude", clearance=EVERYTHING, base_url=url)
    payload = ModelDispatch(call, deployment)
    action = Action(MODEL_DISPATCH, Principal(principal, ACME), Resource("deployment", to), payload, Context(use_case))
    found = engine.scan_content(payload.content)
    transformer = GuardTransformer(engine=engine, pseudonyms=Pseudonyms(KEY), answers=memory)
    decision = Decision(Effect.ALLOW, obligations=Obligations(mask=MASKED))
    made = transformer.transform(
        action, labelled=Labelled(Labels(tenant=ACME), found), decision=decision, receiver=EVERYTHING
    )
    assert isinstance(made, GuardExchange)
    return made


def blocks_of(made: GuardExchange) -> list[dict[str, Any]]:
    """The signed blocks as they go out."""
    return json.loads(made.payload.content.to_bytes())["messages"][1]["content"][:-1]


def token_in(made: GuardExchange) -> str:
    found = TOKEN.search(made.payload.content.to_bytes().decode())
    assert found is not None
    return found.group()


def thought(made: GuardExchange, said: str, *, is_streamed: bool) -> str:
    """What a client is shown of a thought."""
    if not is_streamed:
        block = {"type": "thinking", "thinking": said, "signature": "c2lnbmVk"}
        reply = anthropic.read_reply(json.dumps({"type": "message", "content": [block]}).encode(), headers={})
        return json.loads(made.result(reply).content.to_bytes())["content"][0]["thinking"]
    items = [made.item(Piece(text, "reasoning/0")) for text in (said[:9], said[9:])]
    items.append(made.item(Piece("", "reasoning/0", closes=("reasoning/0",))))
    made.finish()
    made.closing_facts()
    return "".join(piece.text for pieces in items for piece in pieces)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_signed_thought_goes_back_to_its_provider_as_it_was(
    engine: Engine, memory: AnswerMemory, is_streamed: bool
) -> None:
    """Trap 20."""
    asked = thinking(engine, memory)
    said = f"Bind {ADDRESS} and mail {token_in(asked)}, see https://example.com/?to={token_in(asked)}"
    shown = thought(asked, said, is_streamed=is_streamed)
    assert shown == f"Bind {ADDRESS} and mail {EMAIL}, see https://example.com/?to={token_in(asked)}"
    made = thinking(engine, memory, shown, user=f"mail {EMAIL} from {ADDRESS}")
    assert blocks_of(made) == [{"type": "thinking", "thinking": said, "signature": "c2lnbmVk"}]
    assert ADDRESS not in json.loads(made.payload.content.to_bytes())["messages"][0]["content"]
    assert made.facts == {"masked.email": 2, "masked.ip_address": 1, "returned.ip_address": 1}


def test_a_thought_with_nothing_but_its_own_values_goes_back_byte_for_byte(
    engine: Engine, memory: AnswerMemory
) -> None:
    """Trap 20."""
    said = f"Bind {ADDRESS} é"
    shown = thought(thinking(engine, memory), said, is_streamed=True)
    made = thinking(engine, memory, shown)
    assert json.dumps(said).encode() in made.payload.content.to_bytes()
    assert blocks_of(made)[0]["signature"] == "c2lnbmVk"


@pytest.mark.parametrize(
    "elsewhere",
    [{"to": "other"}, {"url": "https://two.example"}, {"use_case": CLAIMS}],
    ids=["another deployment", "the same one, pointed elsewhere", "another use case"],
)
def test_a_thought_is_content_like_any_other_to_whoever_did_not_say_it(
    engine: Engine, memory: AnswerMemory, elsewhere: Any
) -> None:
    shown = thought(thinking(engine, memory), f"Bind {ADDRESS}", is_streamed=True)
    (block,) = blocks_of(thinking(engine, memory, shown, **elsewhere))
    assert TOKEN.search(block["thinking"]) and ADDRESS not in block["thinking"] and not block["signature"]


@pytest.mark.parametrize("has_memory", [True, False])
def test_a_thought_that_nobody_remembers_is_masked_and_left_out(
    engine: Engine, memory: AnswerMemory, has_memory: bool
) -> None:
    """Trap 20."""
    made = thinking(engine, memory if has_memory else None, f"Bind {ADDRESS}", "Nothing to see.")
    masked, clean = blocks_of(made)
    assert ADDRESS not in masked["thinking"] and not masked["signature"]
    assert clean == {"type": "thinking", "thinking": "Nothing to see.", "signature": "c2lnbmVk"}
    sent = json.loads(anthropic.write_call(made.payload.call, Outgoing("claude")))
    assert sent["messages"][1]["content"] == [clean, {"type": "text", "text": "Hm."}]


def test_a_thought_with_a_word_more_is_not_what_was_said(engine: Engine, memory: AnswerMemory) -> None:
    shown = thought(thinking(engine, memory), f"Bind {ADDRESS}", is_streamed=True)
    (block,) = blocks_of(thinking(engine, memory, f"{shown} and 198.51.100.9"))
    assert ADDRESS not in block["thinking"] and not block["signature"]


def test_another_persons_thought_is_masked_for_its_values_had_other_tokens(
    engine: Engine, memory: AnswerMemory
) -> None:
    asked = thinking(engine, memory, principal="bob")
    shown = thought(asked, f"Mail {token_in(asked)}", is_streamed=True)
    (block,) = blocks_of(thinking(engine, memory, shown))
    assert TOKEN.search(block["thinking"]) and not block["signature"]


def test_a_signature_in_which_something_is_found_signs_nothing(engine: Engine, memory: AnswerMemory) -> None:
    shown = thought(thinking(engine, memory), f"Bind {ADDRESS}", is_streamed=True)
    (block,) = blocks_of(thinking(engine, memory, shown, signature=EMAIL))
    assert ADDRESS not in block["thinking"] and block["signature"] == ""


def test_thoughts_beyond_all_measure_are_not_remembered(engine: Engine, memory: AnswerMemory) -> None:
    tokens = [f"HGX_EMAIL_BCDFGHJKLMNPQ{one}{other}" for one in "BCDFGHJK" for other in "BCDFGHJK"]
    for said in (f"{ADDRESS} " + "x" * MOST_CHARS, " ".join((ADDRESS, *tokens))):
        shown = thought(thinking(engine, memory), said, is_streamed=True)
        assert blocks_of(thinking(engine, memory, shown))[0]["signature"] == ""

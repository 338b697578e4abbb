from __future__ import annotations

import json

import pytest
from anthropic.types import ModelInfo
from openai.types import Model

from headgate.wire.anthropic_models import anthropic_list, anthropic_model
from headgate.wire.model_call import Capability
from headgate.wire.openai_models import openai_list, openai_model
from headgate.wire.plane import ModelCard

ALIASES = ("chat", "team/large", "embed")
CARDS = [ModelCard(name) for name in ALIASES]
KNOWN = Capability(tools=False, images=True, context_tokens=200_000, output_tokens=64_000)


def test_models_are_listed_even_with_a_slash_in_their_name() -> None:
    """Trap 16."""
    listed = json.loads(openai_list(CARDS))
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == list(ALIASES)
    assert json.loads(openai_model(CARDS[1])) == {
        "id": "team/large",
        "object": "model",
        "created": 0,
        "owned_by": "headgate",
    }


def test_clients_of_the_other_wire_get_their_own_form() -> None:
    """Trap 16."""
    page = json.loads(anthropic_list(CARDS))
    assert page["data"][1] == {
        "type": "model",
        "id": "team/large",
        "display_name": "team/large",
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": None,
        "max_tokens": None,
        "capabilities": None,
    }
    assert (page["has_more"], page["first_id"], page["last_id"]) == (False, "chat", "embed")
    assert json.loads(anthropic_model(CARDS[0]))["id"] == "chat"
    assert json.loads(anthropic_list(())) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


def test_what_a_model_can_do_is_told_in_the_words_of_openais_clients() -> None:
    card = ModelCard("chat", description="For everyone", capability=KNOWN)
    told = json.loads(openai_model(card))
    assert Model.model_validate(told, strict=True).id == "chat"
    assert {told[name] for name in ("context_length", "context_window", "max_model_len")} == {200_000}
    assert (told["max_output_tokens"], told["description"]) == (64_000, "For everyone")
    assert told["capabilities"] == {
        "chat": True,
        "embeddings": False,
        "streaming": True,
        "tools": False,
        "vision": True,
        "structured_outputs": True,
    }
    unknown = json.loads(openai_model(ModelCard("embed", operation="embed", capability=Capability())))
    assert not unknown.keys() & {"context_length", "max_output_tokens"}
    assert [name for name, can in unknown["capabilities"].items() if can] == ["embeddings"]


@pytest.mark.parametrize("quirks", [(), ("thinking_budget",), ("reasoning_effort",)])
@pytest.mark.parametrize("speaks_anthropic", [True, False])
def test_what_a_model_can_do_is_told_in_the_fields_of_anthropics_sdk(
    speaks_anthropic: bool, quirks: tuple[str, ...]
) -> None:
    card = ModelCard(
        "chat",
        capability=KNOWN,
        quirks=frozenset(quirks),
        dialect="anthropic_messages" if speaks_anthropic else "openai_chat",
    )
    told = json.loads(anthropic_model(card))
    read = ModelInfo.model_validate(told)
    assert (read.max_input_tokens, read.max_tokens) == (200_000, 64_000)
    can = read.capabilities
    assert can is not None
    assert (can.image_input.supported, can.structured_outputs.supported, can.batch.supported) == (True, True, False)
    assert can.pdf_input.supported == can.citations.supported == speaks_anthropic
    assert can.thinking.supported == (speaks_anthropic or quirks == ("reasoning_effort",))
    assert can.thinking.types.enabled.supported == (speaks_anthropic and quirks == ("thinking_budget",))
    assert told["capabilities"].keys() == type(can).model_fields.keys()


def test_pages_follow_one_another() -> None:
    first = json.loads(anthropic_list(CARDS, limit=2))
    assert ([model["id"] for model in first["data"]], first["has_more"]) == (["chat", "team/large"], True)
    second = json.loads(anthropic_list(CARDS, limit=2, after=first["last_id"]))
    assert ([model["id"] for model in second["data"]], second["has_more"]) == (["embed"], False)
    back = json.loads(anthropic_list(CARDS, limit=1, before="embed"))
    assert ([model["id"] for model in back["data"]], back["has_more"]) == (["team/large"], True)

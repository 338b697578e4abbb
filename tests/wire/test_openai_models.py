from __future__ import annotations

import json

import pytest

from headgate.kernel.errors import NotFound
from headgate.wire.openai_models import anthropic_list, anthropic_model, openai_list, openai_model

ALIASES = ("chat", "team/large", "embed")


def test_models_are_listed_and_found_even_with_a_slash_in_their_name() -> None:
    """Trap 16."""
    listed = json.loads(openai_list(ALIASES))
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == list(ALIASES)
    assert json.loads(openai_model("team/large", aliases=ALIASES)) == {
        "id": "team/large",
        "object": "model",
        "created": 0,
        "owned_by": "headgate",
    }


def test_clients_of_the_other_wire_get_their_own_form() -> None:
    """Trap 16."""
    page = json.loads(anthropic_list(ALIASES))
    assert page["data"][1] == {
        "type": "model",
        "id": "team/large",
        "display_name": "team/large",
        "created_at": "1970-01-01T00:00:00Z",
    }
    assert (page["has_more"], page["first_id"], page["last_id"]) == (False, "chat", "embed")
    assert json.loads(anthropic_model("chat", aliases=ALIASES))["id"] == "chat"
    assert json.loads(anthropic_list(())) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


def test_pages_follow_one_another() -> None:
    first = json.loads(anthropic_list(ALIASES, limit=2))
    assert ([model["id"] for model in first["data"]], first["has_more"]) == (["chat", "team/large"], True)
    second = json.loads(anthropic_list(ALIASES, limit=2, after=first["last_id"]))
    assert ([model["id"] for model in second["data"]], second["has_more"]) == (["embed"], False)
    back = json.loads(anthropic_list(ALIASES, limit=1, before="embed"))
    assert ([model["id"] for model in back["data"]], back["has_more"]) == (["team/large"], True)


def test_a_model_that_this_caller_may_not_name_is_not_found() -> None:
    for find in (openai_model, anthropic_model):
        with pytest.raises(NotFound, match="no such model"):
            find("gpt-real", aliases=ALIASES)

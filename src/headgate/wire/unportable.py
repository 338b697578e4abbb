"""Request fields with state or authority, which no other wire format can express.

The gateway refuses to translate a request with such a field, because the loss of the field would
change the meaning or the authority of the request. It drops and lists harmless fields instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from headgate.kernel.errors import Invalid
from headgate.wire.conversation import Tool, ToolChoice

_HELD: Final = "it refers to what only the provider holds; send the whole conversation instead"
_ACTS: Final = "it has the provider itself act, which this model cannot"
_PLACE: Final = "it says where or for whom the provider works, which another cannot promise"

_ANTHROPIC: Final[Mapping[str, str]] = {
    "container": _HELD,
    "mcp_servers": _ACTS,
    "compaction": "this model cannot summarize a conversation into a compaction block",
    "inference_geo": _PLACE,
    "billing_policy": _PLACE,
    "user_profile_id": _PLACE,
    "workspace_id": _PLACE,
}
_OPENAI: Final[Mapping[str, str]] = {
    "previous_response_id": _HELD,
    "conversation": _HELD,
    "prompt": _HELD,
    "container": _HELD,
    "store": "this model's provider stores no answers",
    "background": "this model answers in no background",
    "web_search_options": _ACTS,
    "mcp_servers": _ACTS,
    "audio": "this model answers in text only",
    "modalities": "this model answers in text only",
    "moderation": "this model's provider moderates by no policy of the caller's",
}
_GEMINI: Final[Mapping[str, str]] = {
    "cachedContent": _HELD,
    "continuationToken": _HELD,
    "store": "this model's provider stores no answers",
    "responseModalities": "this model answers in text only",
    "speechConfig": "this model answers in text only",
    "imageConfig": "this model answers in text only",
}
_MEANINGLESS: Final[Mapping[str, Sequence[Any]]] = {
    "n": (1,),
    "logprobs": (False,),
    "store": (False,),
    "background": (False,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "service_tier": ("auto", "default"),
    "modalities": (["text"],),
    "responseModalities": (["TEXT"], ["text"]),
    "responseLogprobs": (False,),
    "presencePenalty": (0,),
    "frequencyPenalty": (0,),
    "truncation": ("disabled",),
    "top_logprobs": (0,),
    "speed": ("standard",),
    "inference_geo": ("global",),
    "context_management": ({"edits": []},),
}
"""Values that mean the same as an absent field."""


def is_meaningless(name: str, value: Any) -> bool:
    """Whether a field's value means the same as an absent field."""
    return value is None or value in ([], {}, "") or value in _MEANINGLESS.get(name, ())


def refuse_anthropic(name: str) -> None:
    """Refuse a field of Anthropic's wire that carries state or authority.

    Raises:
        Invalid: the field carries state or authority.
    """
    _refuse(name, _ANTHROPIC)


def refuse_openai(name: str) -> None:
    """Refuse a field of OpenAI's wire that carries state or authority.

    Raises:
        Invalid: the field carries state or authority.
    """
    _refuse(name, _OPENAI)


def refuse_gemini(name: str) -> None:
    """Refuse a field of Gemini's wire that carries state or authority.

    Raises:
        Invalid: the field carries state or authority.
    """
    _refuse(name, _GEMINI)


def check_offered(tools: Sequence[Tool], left_out: Mapping[str, str], choice: ToolChoice | None) -> None:
    """Refuse a request that needs a tool without a counterpart on the other wire.

    Args:
        tools: the translated tools.
        left_out: the kinds of the tools without a counterpart, by name.

    Raises:
        Invalid: the request's choice names a tool in `left_out`, or `tools` is empty.
    """
    if not left_out or (choice is not None and choice.mode == "none"):
        return
    kind = left_out.get(choice.name or "") if choice is not None and choice.mode == "named" else None
    if kind is not None:
        raise Invalid(f"tool_choice: this model cannot be given a tool of type {kind[:60]!r}", param="tool_choice")
    if not tools:
        kinds = ", ".join(dict.fromkeys(kind[:60] for kind in left_out.values()))
        raise Invalid(f"tools: this model can be given none of these tools ({kinds})", param="tools")


def _refuse(name: str, refused: Mapping[str, str]) -> None:
    if name in refused:
        raise Invalid(f"{name}: cannot be sent to this model: {refused[name]}", param=name)

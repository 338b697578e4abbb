"""OpenAI's legacy completions.

Source: OpenAI's published API document.
"""

from __future__ import annotations

from typing import Any, cast

from headgate.testing.simulator.answer import Answer, Event, dump
from headgate.testing.simulator.openai_wire import CREATED, FINISH, demand, usage_of
from headgate.testing.simulator.script import Script


def completions(request: dict[str, Any], script: Script, *, number: int) -> Answer:
    """Return the answer to a completion: a choice for each prompt."""
    demand(request, "model", "prompt")
    prompt: Any = request["prompt"]
    prompts = cast("list[Any]", prompt) if isinstance(prompt, list) else [prompt]
    if isinstance(prompts[0], int):
        prompts = [prompts]
    head = {"id": f"cmpl-{number}", "object": "text_completion", "created": CREATED, "model": request["model"]}
    told = [f"{one if request.get('echo') else ''}{script.whole}" for one in prompts]
    usage = {} if script.tokens is None else {"usage": usage_of(script.tokens)}
    if not request.get("stream"):
        whole = [_choice(at, text, request, FINISH[script.ending]) for at, text in enumerate(told)]
        return Answer(body=dump({**head, "choices": whole, **usage}))
    chunks = [dump({**head, "choices": [_choice(0, text, request)]}) for text in script.chunks]
    chunks.append(dump({**head, "choices": [_choice(0, "", request, FINISH[script.ending])]}))
    options: dict[str, Any] = request.get("stream_options") or {}
    if options.get("include_usage"):
        chunks.append(dump({**head, "choices": [], **usage}))
    return Answer(events=tuple(Event(data) for data in (*chunks, b"[DONE]")))


def _choice(index: int, text: str, request: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    spelled = {"tokens": [text], "token_logprobs": [-0.1], "top_logprobs": None, "text_offset": [0]}
    logprobs = None if request.get("logprobs") is None else spelled
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish}

"""OpenAI and compatible servers: vLLM, Ollama, llama.cpp, Mistral and others, by `base_url`."""

from __future__ import annotations

from typing import Final

from headgate.kernel.extensions import Manifest
from headgate.wire.model_call import Capability, Operation
from headgate.wire.openai_batch_api import OpenAiBatchApi
from headgate.wire.provider import BATCH, BATCH_OPTION, Alternative, Endpoint, Provider, bearer

RESPONSES = Alternative(Endpoint("openai_responses", "/responses"), quirk="responses_upstream", only="responses_only")
"""The Responses endpoint. Many compatible servers lack it, so deployments name it by a quirk."""

COMPLETIONS = Alternative(
    Endpoint("openai_completions", "/completions"), quirk="completions_upstream", only="completions_only"
)
"""The endpoint of legacy completions. Calls of other deployments cross to chats."""

_OPERATIONS: Final[frozenset[Operation]] = frozenset(
    {
        *("chat", "embed", "moderate", "image", "image_edit", "image_variation"),
        *("speech", "transcribe", "translate"),
    }
)
"""Reranking is absent: OpenAI has none, and a deployment at a server that has it says so in `operations`."""

provider = Provider(
    manifest=Manifest(kind="providers", name="openai", summary="OpenAI and servers that speak its wire."),
    vendor="OpenAI",
    base_url="https://api.openai.com/v1",
    endpoints={
        "chat": Endpoint("openai_chat", "/chat/completions", alternatives=(RESPONSES, COMPLETIONS)),
        "embed": Endpoint("openai_embeddings", "/embeddings"),
        "moderate": Endpoint("openai_moderations", "/moderations"),
        "rerank": Endpoint("rerank", "/rerank"),
        "image": Endpoint("openai_images", "/images/generations"),
        "image_edit": Endpoint("openai_images", "/images/edits"),
        "image_variation": Endpoint("openai_images", "/images/variations"),
        "speech": Endpoint("openai_speech", "/audio/speech", accept="*/*", framing="bytes"),
        "transcribe": Endpoint("openai_transcriptions", "/audio/transcriptions", accept="*/*"),
        "translate": Endpoint("openai_transcriptions", "/audio/translations", accept="*/*"),
    },
    batches=OpenAiBatchApi(),
    models_path="/models",
    options={BATCH: BATCH_OPTION},
    credential=bearer,
    forwards=frozenset({"openai-organization", "openai-project", "idempotency-key"}),
    home_quirks=frozenset({"newer_limit_name", "system_turns", "text_parts", "responses_upstream"}),
    capability=Capability(operations=_OPERATIONS, images=True),
)

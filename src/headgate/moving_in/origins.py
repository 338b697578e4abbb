"""Where the models of other gateways run: their names of providers, and ours."""

from __future__ import annotations

import ipaddress
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from headgate.moving_in.move import Move


class Origin(NamedTuple):
    """A provider of ours.

    Args:
        base_url: the vendor's address, for vendors that speak OpenAI's wire and have no file of their own.
        key: the variable that other gateways read without a key in the configuration.
    """

    provider: str
    base_url: str | None = None
    key: str | None = None


ORIGINS = MappingProxyType(
    {
        "openai": Origin("openai", key="OPENAI_API_KEY"),
        "custom_openai": Origin("openai"),
        "text-completion-openai": Origin("openai", key="OPENAI_API_KEY"),
        "azure": Origin("azure", key="AZURE_API_KEY"),
        "azure_ai": Origin("openai", key="AZURE_AI_API_KEY"),
        "anthropic": Origin("anthropic", key="ANTHROPIC_API_KEY"),
        "bedrock": Origin("bedrock"),
        "gemini": Origin("gemini", key="GEMINI_API_KEY"),
        "google": Origin("gemini", key="GEMINI_API_KEY"),
        "azure_dated": Origin("azure_classic", key="AZURE_API_KEY"),
        "vertex_ai": Origin("vertex"),
        "vertex_gemini": Origin("vertex_gemini"),
        "mistral": Origin("mistral", key="MISTRAL_API_KEY"),
        "mistral-ai": Origin("mistral", key="MISTRAL_API_KEY"),
        "cohere": Origin("cohere", key="COHERE_API_KEY"),
        "cohere_chat": Origin("cohere", key="COHERE_API_KEY"),
        "groq": Origin("openai", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        "together_ai": Origin("openai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
        "together-ai": Origin("openai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
        "fireworks_ai": Origin("openai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY"),
        "deepseek": Origin("openai", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
        "openrouter": Origin("openai", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
        "perplexity": Origin("openai", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
        "xai": Origin("openai", "https://api.x.ai/v1", "XAI_API_KEY"),
        "cerebras": Origin("openai", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
        "ollama": Origin("ollama"),
        "ollama_chat": Origin("ollama"),
        "vllm": Origin("vllm"),
        "hosted_vllm": Origin("vllm"),
        "lm_studio": Origin("lmstudio"),
        "huggingface": Origin("tgi", key="HF_TOKEN"),
    }
)
"""By the other gateways' names of providers. Source: their documentation of providers, November 2026."""

_FAMILIES = {
    "openai": ("gpt", "o1", "o3", "o4", "chatgpt", "text-embedding"),
    "anthropic": ("claude",),
    "gemini": ("gemini",),
}
"""The beginnings of the names that vendors give their own models."""

_ENDINGS = (".internal", ".local", ".lan", ".svc", ".cluster.local", ".home.arpa")


def fitting(origin: Origin, model: str, *, api_version: Any = None) -> Origin | None:
    """Return the provider for a model where ours has several; None if none of them has such models."""
    if origin.provider == "azure" and api_version:
        return ORIGINS["azure_dated"]
    if origin.provider == "vertex":
        vendor = next((name for name in ("claude", "gemini") if model.startswith(name)), None)
        return {"claude": origin, "gemini": ORIGINS["vertex_gemini"]}.get(vendor or "")
    return origin


def origin_of_model(name: str) -> Origin | None:
    """Return the vendor whose models have such names, or None."""
    return next((ORIGINS[vendor] for vendor, starts in _FAMILIES.items() if name.startswith(starts)), None)


def clearance_at(base_url: str | None, move: Move, *, about: str) -> dict[str, Any] | None:
    """Return the clearance of our own machines for an address on a private network, with a note; else None."""
    if not is_private(base_url):
        return None
    move.note(
        about,
        f"{base_url} looks like your own machine, so it may receive personal and payment data; check its clearance.",
    )
    return {"level": "restricted", "custody": "organisation", "categories": ["pii", "phi", "pci"]}


def without_secrets(url: str, move: Move, *, about: str) -> str:
    """Return an address without a user, a query and a fragment, which may hold secrets; with a note if it had one."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    host = parts.netloc.rpartition("@")[2]
    if host == parts.netloc and not parts.query and not parts.fragment:
        return url
    move.note(about, "the user or the query of its address may be a secret and is left out; give a key instead.")
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def is_private(url: str | None) -> bool:
    """Tell whether an address is on a private network by its looks; nothing is resolved."""
    host = urlsplit(url).hostname if url else None
    if not host:
        return False
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_ENDINGS)

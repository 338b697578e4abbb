"""The error of an input that does not fit a model, in the words by which clients know it."""

from __future__ import annotations

from headgate.kernel.errors import Invalid


class ContextOverflow(Invalid):
    """The input does not fit the model's context."""

    code = "context_length_exceeded"


def context_overflow(tokens: int | None, *, limit: int, param: str) -> ContextOverflow:
    """The error whose words and code clients look for to shorten an input and try again.

    Args:
        tokens: how many there are, or None for too many to count.
        param: the field that is too long, in the plural of its words: `messages` or `input`.
    """
    length = "far more" if tokens is None else str(tokens)
    return ContextOverflow(
        f"This model's maximum context length is {limit} tokens. However, your {param} resulted in {length} tokens. "
        f"Please reduce the length of the {param}.",
        param=param,
    )

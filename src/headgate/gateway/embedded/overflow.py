"""The error of an input that exceeds a model's context, in the wording that clients match on."""

from __future__ import annotations

from headgate.kernel.errors import Invalid


class ContextOverflow(Invalid):
    """The input exceeds the model's context."""

    code = "context_length_exceeded"


def context_overflow(tokens: int | None, *, limit: int, param: str) -> ContextOverflow:
    """Return the error whose text and code make clients shorten the input and retry.

    Args:
        tokens: the number of tokens, or None for too many to count.
        param: the field that is too long: `messages` or `input`.
    """
    length = "far more" if tokens is None else str(tokens)
    return ContextOverflow(
        f"This model's maximum context length is {limit} tokens. However, your {param} resulted in {length} tokens. "
        f"Please reduce the length of the {param}.",
        param=param,
    )

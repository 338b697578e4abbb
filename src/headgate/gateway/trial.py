"""Tests of deployments: one small call with a fixed sentence, before or after the deployment is declared.

A test is an action of its own, `model.test`, with the pipeline's decision and record. It is no use
of models under a use case, because it carries no content of people.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import msgspec

from headgate.gateway.catalogue import ANY
from headgate.gateway.dispatch import DispatchRun, ModelDispatcher
from headgate.gateway.reasons import Reason, reason_of
from headgate.kernel.errors import HeadgateError, Invalid, Upstream
from headgate.kernel.run import Run
from headgate.substrate.egress import Egress, NetworkProfile
from headgate.wire.dialect import Match
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import Deployment, ModelCall, ModelDispatch, ModelEvent, ModelReply, Operation

_PROFILE: Final = "trial"
_QUESTION: Final = "Reply with the word ready."
_MOST_TOKENS: Final = 32
_OTHERS: Final[Mapping[Operation, tuple[str, Mapping[str, Any]]]] = {
    "embed": ("openai_embeddings", {"input": _QUESTION}),
    "rerank": ("rerank", {"query": _QUESTION, "documents": [_QUESTION]}),
    "moderate": ("openai_moderations", {"input": _QUESTION}),
}
"""The wire and the fields of a test of a deployment without chats."""


@dataclass(frozen=True, slots=True)
class DeploymentTrial(ModelDispatch):
    """The test of one deployment.

    Args:
        profile: its connections, for a deployment that is not declared yet.
    """

    profile: NetworkProfile | None = None


TrialRun = Run[DeploymentTrial, ModelEvent, ModelReply]


class TrialError(Upstream):
    """A test that failed, with its reason in words."""

    def __init__(self, error: HeadgateError, reason: Reason) -> None:
        status = error.upstream_status if isinstance(error, Upstream) else None
        super().__init__(reason.why, upstream_status=status, retryable=False, detail=error.recorded)
        self.reason = reason


class ModelTester:
    """Performs `model.test`."""

    def __init__(self, declared: ModelDispatcher) -> None:
        self._declared = declared

    async def run(self, run: TrialRun) -> ModelReply:
        """Return the answer.

        Raises:
            TrialError: there is none.
        """
        profile = run.payload.profile
        try:
            if profile is None:
                return await self._declared.run(cast("DispatchRun", run))
            # Building a client reads the authorities' certificates, which takes tens of milliseconds.
            egress = await asyncio.to_thread(Egress, profiles={_PROFILE: profile})
            async with egress:
                return await self._declared.through(egress).run(cast("DispatchRun", run))
        except HeadgateError as error:
            raise TrialError(error, reason_of(error, run.payload.deployment)) from error

    def stream(self, run: TrialRun) -> AbstractAsyncContextManager[AsyncIterator[ModelEvent]]:
        """Raise Invalid, because tests do not stream."""
        raise Invalid("a test is not streamed")


def trial_of(
    deployment: Deployment, dialects: Dialects, *, model: str | None = None, profile: NetworkProfile | None = None
) -> DeploymentTrial:
    """Return the test of a deployment, through its declared network unless there is a profile.

    Args:
        model: the name to ask for, for a deployment that serves every name.

    Raises:
        Invalid: such a deployment and no name.
    """
    if ANY in deployment.model and model is None:
        raise Invalid(f"{deployment.id} serves any model; name the one to test", param="model")
    if profile is not None:
        deployment = replace(deployment, network=_PROFILE)
    return DeploymentTrial(_call(deployment, dialects, model or "test"), deployment, profile=profile)


def _call(deployment: Deployment, dialects: Dialects, model: str) -> ModelCall:
    """Return the smallest call that shows whether the deployment answers."""
    if "chat" in deployment.capability.operations:
        body = msgspec.json.encode(
            {
                "model": model,
                "max_tokens": _MOST_TOKENS,
                "messages": [{"role": "user", "content": _QUESTION}],
            }
        )
        return dialects.clients["openai_chat"].read_call(body, headers={}, match=Match("chat"))
    for kind, (wire, told) in _OTHERS.items():
        if kind in deployment.capability.operations:
            body = msgspec.json.encode({"model": model, **told})
            return dialects.clients[wire].read_call(body, headers={}, match=Match(kind))
    raise Invalid(
        f"{deployment.id} answers no chat, embedding, ranking or moderation, which are all that a test asks for"
    )

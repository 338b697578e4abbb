"""`model.pass_through`: sends a request that no wire models to one deployment, by one dispatch.

Only a rule of the organisation allows it. The dispatch is decided as that of any other call, so use
cases, clearances and duties hold. Nothing is tried again, because a request may have effects.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

from headgate.gateway.attempts import InvokeRun, note_masking, resource_of
from headgate.gateway.catalogue import Catalogue, Catalogues
from headgate.kernel.action import Resource
from headgate.kernel.errors import NotFound
from headgate.wire.model_call import MODEL_DISPATCH, Deployment, ModelCall, ModelDispatch, ModelEvent, ModelReply
from headgate.wire.raw import raw_content


class ModelPassThrough:
    """Performs `model.pass_through`."""

    def __init__(self, *, catalogues: Catalogues) -> None:
        self._catalogues = catalogues

    async def run(self, run: InvokeRun) -> ModelReply:
        """Return the answer of the deployment."""
        deployment = self._deployment(run)
        try:
            return await run.perform(MODEL_DISPATCH, resource_of(deployment), ModelDispatch(run.payload, deployment))
        finally:
            _report(run)

    def stream(self, run: InvokeRun) -> AbstractAsyncContextManager[AsyncIterator[ModelEvent]]:
        """Yield the events of the deployment; entering does nothing yet."""
        return self._stream(run)

    @asynccontextmanager
    async def _stream(self, run: InvokeRun) -> AsyncGenerator[AsyncIterator[ModelEvent], None]:
        async with aclosing(self._events(run)) as events:
            yield events

    async def _events(self, run: InvokeRun) -> AsyncGenerator[ModelEvent, None]:
        deployment = self._deployment(run)
        dispatch = ModelDispatch(run.payload, deployment)
        try:
            async with run.stream(MODEL_DISPATCH, resource_of(deployment), dispatch) as stream:
                async for event in stream.items:
                    run.preface = stream.run.preface
                    yield event
        finally:
            _report(run)

    def _deployment(self, run: InvokeRun) -> Deployment:
        run.facts["attempts"] = 1
        run.facts["request"] = f"{raw_content(run.payload).method} {run.action.resource.id}"
        return deployment_named(run.action.resource.id, self._catalogues(run.action.principal.tenant))


def deployment_named(name: str, catalogue: Catalogue) -> Deployment:
    """Return the deployment of a request that is passed through.

    Raises:
        NotFound: there is none of that name.
    """
    try:
        return catalogue.deployments[name]
    except KeyError:
        raise NotFound(f"there is no deployment {name[:100]!r}", param="path") from None


def passed_resource(call: ModelCall, catalogue: Catalogue) -> Resource:
    """Return the deployment of a call as its resource, with the attributes for rules."""
    content, deployment = raw_content(call), catalogue.deployments.get(call.model)
    return Resource(
        kind="deployment",
        id=call.model,
        attributes={
            "method": content.method,
            "path": content.path,
            "provider": "" if deployment is None else deployment.provider,
        },
    )


def _report(run: InvokeRun) -> None:
    """Set the run's measures to those of its dispatch."""
    if run.children:
        run.facts["deployment"] = run.action.resource.id
        run.measures = run.children[-1].measures
        note_masking(run)

"""Writes the exact request body for one deployment, for dispatches and previews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from headgate.gateway.catalogue import model_for
from headgate.kernel.decision import Obligations
from headgate.kernel.errors import Invalid, Upstream
from headgate.wire.dialect import Outgoing, ProviderDialect
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import ModelDispatch
from headgate.wire.provider import Endpoint, Provider
from headgate.wire.tool_names import names_to_restore


class Route(NamedTuple):
    """The provider, endpoint and dialect of a call to one deployment."""

    provider: Provider
    endpoint: Endpoint
    dialect: ProviderDialect


class Written(NamedTuple):
    """A call in the deployment's wire format.

    Args:
        path: appended to the deployment's base URL.
        streams: whether the answer comes as a stream.
        dropped: fields that the deployment's wire format cannot express.
        names: the original tool names, by the names in the request.
    """

    body: bytes
    path: str
    streams: bool
    dropped: tuple[str, ...] = ()
    names: Mapping[str, str] = MappingProxyType({})


def route_of(dispatch: ModelDispatch, *, providers: Mapping[str, Provider], dialects: Dialects) -> Route:
    """Return the route of a call to its deployment.

    Raises:
        Upstream: the deployment's provider does not offer the operation.
    """
    deployment = dispatch.deployment
    provider = providers.get(deployment.provider)
    endpoint = provider.endpoints.get(dispatch.call.operation) if provider else None
    if provider is None or endpoint is None:
        raise Upstream(f"deployment {deployment.id} cannot do {dispatch.call.operation}", retryable=True)
    dialect = dialects.providers.get(endpoint.dialect)
    if dialect is None:
        raise Upstream(f"deployment {deployment.id} speaks {endpoint.dialect}, which is not installed", retryable=True)
    return Route(provider, endpoint, dialect)


def written_call(dispatch: ModelDispatch, route: Route, obligations: Obligations, *, dialects: Dialects) -> Written:
    """Return the exact request of a dispatch; previews show it.

    Raises:
        Invalid: the deployment's wire format cannot express the call.
    """
    call, deployment, dialect = dispatch.call, dispatch.deployment, route.dialect
    streams = call.stream or _is_too_long_for_one_piece(dispatch, obligations)
    if streams and not call.stream:
        call = replace(call, stream=True)
    outgoing = Outgoing(
        model=model_for(deployment, call.model),
        quirks=route.provider.quirks | deployment.quirks,
        cap_output_tokens=obligations.cap_output_tokens,
    )
    path = route.endpoint.path_of(outgoing.model, streams=streams)
    if call.wire == dialect.name and (passing := dialects.passing.get(call.wire)) is not None:
        return Written(passing.write_call(call, outgoing), path, streams)
    conversation = dialects.clients[call.wire].to_conversation(call.content)
    if call.stream and not conversation.stream:
        conversation = replace(conversation, stream=True)
    if call.operation != "chat":
        raise Invalid(f"{call.operation} cannot be translated from {call.wire} to {dialect.name}")
    dropped = (*conversation.dropped, *dialect.unsaid(conversation, outgoing))
    body = dialect.from_conversation(conversation, outgoing)
    return Written(body, path, streams, dropped, names_to_restore(conversation))


def _is_too_long_for_one_piece(dispatch: ModelDispatch, obligations: Obligations) -> bool:
    """Whether the answer may exceed the deployment's limit for answers that are not streamed."""
    capability, call = dispatch.deployment.capability, dispatch.call
    most = capability.whole_output_tokens
    if most is None or call.operation != "chat" or not capability.streaming:
        return False
    asked, cap = call.output_limit or 0, obligations.cap_output_tokens
    return min(asked, asked if cap is None else cap) > most

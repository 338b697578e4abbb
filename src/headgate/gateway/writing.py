"""A call as it is sent to one deployment, to the byte: what a dispatch writes and a preview shows."""

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
    """The way that a call takes to its deployment."""

    provider: Provider
    endpoint: Endpoint
    dialect: ProviderDialect


class Written(NamedTuple):
    """A call as it is sent.

    Args:
        path: appended to the deployment's base URL.
        streams: whether the answer comes as a stream.
        dropped: what the deployment's wire cannot say.
        names: the tools' own names by those that are sent.
    """

    body: bytes
    path: str
    streams: bool
    dropped: tuple[str, ...] = ()
    names: Mapping[str, str] = MappingProxyType({})


def route_of(dispatch: ModelDispatch, *, providers: Mapping[str, Provider], dialects: Dialects) -> Route:
    """Return the way that a call takes to its deployment.

    Raises:
        Upstream: the deployment's provider does not offer what is asked for.
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
    """Return the body that a dispatch sends, to the byte; a preview shows it.

    Raises:
        Invalid: it cannot be said on the deployment's wire.
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
        raise Invalid(f"{call.operation} cannot cross from {call.wire} to {dialect.name}")
    dropped = (*conversation.dropped, *dialect.unsaid(conversation, outgoing))
    body = dialect.from_conversation(conversation, outgoing)
    return Written(body, path, streams, dropped, names_to_restore(conversation))


def _is_too_long_for_one_piece(dispatch: ModelDispatch, obligations: Obligations) -> bool:
    """Whether the whole answer may be longer than the deployment gives it unless it is streamed."""
    capability, call = dispatch.deployment.capability, dispatch.call
    most = capability.whole_output_tokens
    if most is None or call.operation != "chat" or not capability.streaming:
        return False
    asked, cap = call.output_limit or 0, obligations.cap_output_tokens
    return min(asked, asked if cap is None else cap) > most

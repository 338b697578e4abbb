"""Writes the exact request body for one deployment, for dispatches and previews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from headgate.gateway.binding import tag_of
from headgate.gateway.catalogue import model_for
from headgate.kernel.decision import Obligations
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.labels import Custody
from headgate.wire.dialect import Outgoing, ProviderDialect
from headgate.wire.dialects import Dialects
from headgate.wire.json_document import JsonDocument
from headgate.wire.json_edits import Path
from headgate.wire.model_call import KINDS, Deployment, ModelDispatch
from headgate.wire.provider import Endpoint, Provider
from headgate.wire.raw import RAW_ENDPOINT, raw_content
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
        method: the HTTP method.
        names: the original tool names, by the names in the request.
    """

    body: bytes
    path: str
    streams: bool
    dropped: tuple[str, ...] = ()
    method: str = "POST"
    names: Mapping[str, str] = MappingProxyType({})


def route_of(dispatch: ModelDispatch, *, providers: Mapping[str, Provider], dialects: Dialects) -> Route:
    """Return the route of a call to its deployment.

    Raises:
        Upstream: the deployment's provider does not offer the operation.
    """
    deployment = dispatch.deployment
    provider = providers.get(deployment.provider)
    if provider is not None and dispatch.call.operation == "raw":
        return Route(provider, RAW_ENDPOINT, dialects.provider(RAW_ENDPOINT.dialect))
    endpoint = provider.endpoints.get(dispatch.call.operation) if provider else None
    if provider is None or endpoint is None:
        kind = KINDS[dispatch.call.operation]
        raise Upstream(f"deployment {deployment.id} does not offer {kind}", retryable=True)
    if endpoint.alternatives:
        endpoint = endpoint.serving(dispatch.call.wire, quirks=provider.quirks | deployment.quirks)
    dialect = dialects.providers.get(endpoint.dialect)
    if dialect is None:
        raise Upstream(f"deployment {deployment.id} speaks {endpoint.dialect}, which is not installed", retryable=True)
    return Route(provider, endpoint, dialect)


def written_call(
    dispatch: ModelDispatch, route: Route, obligations: Obligations, *, dialects: Dialects, may_stream: bool = True
) -> Written:
    """Return the exact request of a dispatch; previews show it.

    Args:
        may_stream: whether the gateway may stream an answer that the client wants whole.

    Raises:
        Invalid: the deployment's wire format cannot express the call.
    """
    call, deployment, dialect = dispatch.call, dispatch.deployment, route.dialect
    if call.operation == "raw":
        content = raw_content(call)
        return Written(content.body.to_bytes(), f"/{content.address}", call.stream, method=content.method)
    streams = call.stream or (may_stream and _is_too_long_for_one_piece(dispatch, obligations))
    if streams and not call.stream:
        call = replace(call, stream=True)
    outgoing = Outgoing(
        model=model_for(deployment, call.model),
        quirks=route.provider.quirks | deployment.quirks,
        cap_output_tokens=obligations.cap_output_tokens,
        tag=tag_of(deployment) if call.bound_to else "",
    )
    _refuse_relayed(deployment, route.provider, outgoing.model)
    options = route.provider.options_of(deployment)
    path = route.endpoint.path_of(outgoing.model, streams=streams, options=options)
    if call.wire == dialect.name and (passing := dialects.passing.get(call.wire)) is not None:
        return Written(_fitted(passing.write_call(call, outgoing), route, dispatch), path, streams)
    if call.operation == "embed" and {call.wire, dialect.name} <= dialects.embeddings.keys():
        texts = dialects.embeddings[call.wire].to_texts(call.content)
        target = dialects.embeddings[dialect.name]
        dropped = (*texts.dropped, *target.unsaid_of_texts(texts))
        return Written(target.from_texts(texts, outgoing), path, streams, dropped)
    if call.wire in dialects.rankings and dialect.name in dialects.rankers:
        ranking = dialects.rankings[call.wire].to_ranking(call.content)
        return Written(dialects.rankers[dialect.name].from_ranking(ranking, outgoing), path, streams, ranking.dropped)
    conversation = dialects.clients[call.wire].to_conversation(call.content)
    if call.operation == "count_tokens" and {call.wire, dialect.name} <= dialects.counts.keys():
        return Written(dialects.counts[dialect.name].write_count(conversation, outgoing), path, streams)
    if call.stream and not conversation.stream:
        conversation = replace(conversation, stream=True)
    if call.operation != "chat":
        raise Invalid(f"{call.operation} cannot be translated from {call.wire} to {dialect.name}")
    dropped = (*conversation.dropped, *dialect.unsaid(conversation, outgoing))
    body = dialect.from_conversation(conversation, outgoing)
    names = names_to_restore(conversation)
    return Written(_fitted(body, route, dispatch), path, streams, dropped, names=names)


def _fitted(body: bytes, route: Route, dispatch: ModelDispatch) -> bytes:
    """Return the body with the fields that the endpoint's form of its wire sets or leaves out."""
    fields: dict[Path, bytes | None] = {(name,): value for name, value in route.endpoint.fields.items()}
    if route.provider.betas_in == "body":
        betas = route.provider.betas_for(dispatch.deployment, dispatch.call.headers)
        if betas:
            fields["anthropic_beta",] = msgspec.json.encode(betas)
    return JsonDocument(body).edit_fields(fields).raw if fields else body


def _refuse_relayed(deployment: Deployment, provider: Provider, model: str) -> None:
    """Refuse a model that a local server passes on, for a deployment that must stay on our machines."""
    if provider.is_relayed(model) and deployment.clearance.custody is Custody.ORGANISATION:
        raise Invalid(
            f"the server of deployment {deployment.id} passes calls of {model[:200]} on to its vendor, and this"
            " deployment is for our own machines only",
            param="model",
        )


def _is_too_long_for_one_piece(dispatch: ModelDispatch, obligations: Obligations) -> bool:
    """Whether the answer may exceed the deployment's limit for answers that are not streamed."""
    capability, call = dispatch.deployment.capability, dispatch.call
    most = capability.whole_output_tokens
    if most is None or call.operation != "chat" or not capability.streaming:
        return False
    asked, cap = call.output_limit or 0, obligations.cap_output_tokens
    return min(asked, asked if cap is None else cap) > most

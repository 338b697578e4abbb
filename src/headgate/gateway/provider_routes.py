"""The installed providers, with what a form needs to declare a deployment of one."""

from __future__ import annotations

from headgate.admin.bodies import Body
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_READ
from headgate.gateway.parts import Gateway
from headgate.kernel.action import Resource
from headgate.kernel.labels import Custody
from headgate.wire.provider import Provider, endpoints_of


class OptionView(Body, frozen=True, kw_only=True):
    """An option of a provider's deployments; `default` is the value without one, or null."""

    name: str
    says: str
    default: str | None
    is_required: bool
    example: str


class ProviderView(Body, frozen=True, kw_only=True):
    """An installed provider with its defaults.

    Args:
        base_url: its own address, or null if every deployment has its own.
        is_ours: whether its machines are the organisation's.
        lists_models: whether it can be asked for the names of its models.
        quirks: switches for servers that deviate from its wire.
        options: the fields of its deployments beyond those of every deployment.
    """

    name: str
    summary: str
    base_url: str | None
    is_ours: bool
    operations: list[str]
    tools: bool
    images: bool
    json_schema: bool
    streaming: bool
    lists_models: bool
    quirks: list[str]
    options: list[OptionView]


class ProviderList(Body, frozen=True, kw_only=True):
    """Every installed provider that a deployment can name, sorted by name."""

    providers: list[ProviderView]


async def list_providers(gateway: Gateway, request: Request) -> ProviderList:
    """List the installed providers with their defaults."""
    request.authorise(CONFIG_READ, Resource("config", request.tenant))
    return ProviderList(providers=[_view(gateway, one) for one in gateway.providers.values()])


def _view(gateway: Gateway, provider: Provider) -> ProviderView:
    spoken = (gateway.dialects.providers.get(one.dialect) for one in endpoints_of(provider))
    usual = provider.capability
    return ProviderView(
        name=provider.manifest.name,
        summary=provider.manifest.summary,
        base_url=provider.base_url,
        is_ours=provider.custody is Custody.ORGANISATION,
        operations=sorted(usual.operations),
        tools=usual.tools,
        images=usual.images,
        json_schema=usual.json_schema,
        streaming=usual.streaming,
        lists_models=provider.models_path is not None,
        quirks=sorted({quirk for one in spoken if one is not None for quirk in one.quirks}),
        options=[
            OptionView(
                name=name,
                says=one.says,
                default=one.default,
                is_required=one.is_required or f"{{{name}}}" in (provider.base_url or ""),
                example=one.example,
            )
            for name, one in provider.options.items()
        ],
    )


OPERATIONS = (
    Operation(
        "listProviders",
        "GET",
        "/api/providers",
        "The installed providers.",
        list_providers,
        answer=ProviderList,
        verb=CONFIG_READ,
    ),
)

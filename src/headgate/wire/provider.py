"""The declaration of a provider extension: provider × dialect × capability profile, as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from headgate.kernel.errors import Invalid
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY, Custody
from headgate.wire.batch_api import BatchApi
from headgate.wire.dialect import MODEL
from headgate.wire.model_call import JSON, Capability, Deployment, Operation

Headers = tuple[tuple[str, str], ...]
Options = Mapping[str, str]
"""A deployment's options by name, such as its region."""

Framing = Literal["sse", "aws_event_stream", "bytes"]
"""The form of a stream's events: server-sent events, `application/vnd.amazon.eventstream`, or none at all."""

_PLACE: Final = re.compile(r"\{([a-z_]{1,40})\}")
_NO_OPTIONS: Final[Options] = MappingProxyType({})


class Option(NamedTuple):
    """A field of a provider's deployments beyond the model, the address and the key.

    Args:
        says: one sentence about it.
        default: the value of a deployment that does not set it.
        is_required: whether a deployment without it is invalid.
        pattern: what its value has to match.
        example: a value, for error messages and forms.
    """

    says: str
    default: str | None = None
    is_required: bool = False
    pattern: re.Pattern[str] = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
    example: str = ""


class Unsigned(NamedTuple):
    """A request to sign; `headers` has all headers except those of the connection, such as Host."""

    method: str
    url: str
    headers: Headers
    body: bytes


class Signer(Protocol):
    """Signs requests. A pure function."""

    def __call__(self, secret: str | None, request: Unsigned, *, options: Options, now: datetime) -> Headers:
        """Return the headers to add to a request.

        Raises:
            Invalid: the secret does not have the form that the provider needs. The message does not repeat it.
        """
        ...


class TokenRequest(NamedTuple):
    """The request for a token; a POST."""

    url: str
    headers: Headers
    body: bytes


class Token(NamedTuple):
    """A bearer token and the seconds for which it is valid."""

    value: str
    lasts_s: float


class TokenSource(Protocol):
    """Turns a credential into a bearer token by one request. Two pure functions."""

    def ask(self, secret: str, *, options: Options, now: datetime) -> TokenRequest | None:
        """Return the request for a token; None if the secret itself is the credential.

        Raises:
            Invalid: the secret does not have the form that the provider needs. The message does not repeat it.
        """
        ...

    def read(self, body: bytes) -> Token:
        """Return the token in the answer.

        Raises:
            Upstream: the answer has no token.
        """
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The path and dialect of one operation at a provider.

    Args:
        path: the path after the base URL; the provider's model name replaces `{model}` in it, and
            an option's value its name in braces.
        stream_path: the path of streamed calls; None means `path`.
        fields: top-level fields of the body that this provider's form of the wire sets, as JSON
            text, or leaves out, as None.
        alternatives: further endpoints of the operation.
        accept: the media types of its whole answers.
        answers: the error statuses that are answers, for a client that reads the provider's own.
        framing: the form of its streams, where it differs from the provider's.
        beside: the end of the usual base URL that the path replaces, for an endpoint beside the
            others.
    """

    dialect: str
    path: str
    stream_path: str | None = None
    fields: Mapping[str, bytes | None] = field(default_factory=dict[str, "bytes | None"])
    alternatives: tuple[Alternative, ...] = ()
    accept: str = JSON
    beside: str = ""
    answers: frozenset[int] = frozenset()
    framing: Framing | None = None

    def serving(self, wire: str, *, quirks: frozenset[str]) -> Endpoint:
        """Return the endpoint for calls of a wire at a deployment with these quirks."""
        for one in self.alternatives:
            if one.only in quirks or (one.quirk in quirks and wire == one.endpoint.dialect):
                return one.endpoint
        return self

    def path_of(self, model: str, *, streams: bool, options: Options = _NO_OPTIONS) -> str:
        """Return the path of a call, with the model percent-encoded as one segment.

        Raises:
            Invalid: a server that decodes the model's name would see another path, as for `..`.
        """
        path = self.path if self.stream_path is None or not streams else self.stream_path
        if options:
            path = _filled(path, options)
        if MODEL not in path:
            return path
        if any(segment in ("", ".", "..") for segment in model.replace("\\", "/").split("/")):
            raise Invalid(f"the model {model[:200]!r} cannot stand in the path of a request", param="model")
        return path.replace(MODEL, quote(model, safe=""))


@dataclass(frozen=True, slots=True)
class Alternative:
    """A further endpoint of an operation, at the deployments that have it.

    Args:
        quirk: the quirk of deployments that have the endpoint. It takes the calls of its own wire.
        only: the quirk of deployments that have no other endpoint. It takes every call.
    """

    endpoint: Endpoint
    quirk: str
    only: str


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    Args:
        endpoints: the endpoints by operation. The provider does not offer an absent operation.
        base_url: the default address, or None if every deployment must set its own.
        base_url_of: returns the default address for a deployment's options, for a provider whose
            addresses have several forms; `base_url` is then the usual form.
        credential: turns the secret into request headers; takes None for a deployment without a
            key.
        options: the options that its deployments may set, by name. In addresses and paths, an
            option's value replaces its name in braces.
        sign: signs each request; None if `credential` is enough.
        tokens: turns the secret into a bearer token; None if it needs none.
        framing: the form of the events of its streams.
        headers: the headers of every request.
        forwards: the client headers that the gateway sends upstream, in lower case.
        betas_in: where it takes the betas of Anthropic's wire that a deployment's option `betas` names.
        quirks: the switches from the dialects' docstrings; a deployment adds its own.
        home_quirks: the switches that only servers at `base_url` have, not other servers of the
            same wire.
        capability: the default capability of its models; a deployment may override it.
        custody: the custody of its machines at `base_url`; a deployment may override it.
        relayed: the endings of model names that the machines at `base_url` pass on to their vendor.
        caller_header: the header in which one of our own providers gets an anonymous name for each
            caller.
        dropped_header: the header in which one of our own providers names the fields without
            effect.
        vendor: the company that serves and bills calls to its default address, such as `Mistral AI`.
        batches: its batch API, for deployments with the option `batch`.
        models_path: the path after the base URL of the list of its models, an object with `id`s under
            `data` or with `name`s under `models`; None if it has none.
        on_disconnect: `cancel` if closing the connection stops generation, `drain` if the provider
            bills the whole answer anyway.
    """

    manifest: Manifest
    endpoints: Mapping[Operation, Endpoint]
    credential: Callable[[str | None], Headers]
    base_url: str | None = None
    base_url_of: Callable[[Options], str] | None = None
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])
    sign: Signer | None = None
    tokens: TokenSource | None = None
    framing: Framing = "sse"
    headers: Headers = ()
    forwards: frozenset[str] = EMPTY
    betas_in: Literal["header", "body"] | None = None
    quirks: frozenset[str] = EMPTY
    home_quirks: frozenset[str] = EMPTY
    capability: Capability = field(default_factory=Capability)
    custody: Custody = Custody.ANY
    relayed: tuple[str, ...] = ()
    caller_header: str | None = None
    dropped_header: str | None = None
    vendor: str = ""
    batches: BatchApi | None = None
    models_path: str | None = None
    on_disconnect: Literal["cancel", "drain"] = "cancel"

    def options_of(self, deployment: Deployment) -> Options:
        """Return a deployment's options, with the defaults of those that it does not set."""
        if not self.options:
            return {}
        usual = {name: one.default for name, one in self.options.items() if one.default is not None}
        return {**usual, **dict(deployment.options)}

    def betas_for(self, deployment: Deployment, headers: Headers) -> tuple[str, ...]:
        """Return the betas that a client asks for and the deployment's option names."""
        if self.betas_in is None:
            return ()
        named = dict(deployment.options).get(BETAS, "").split(",")
        asked = dict(headers).get(BETA_HEADER, "").split(",")
        return tuple(one for one in asked if one and one in named)

    def address(self, base_url: str | None, options: Options) -> str | None:
        """Return the address of a deployment without a slash at its end; None if it has none.

        Args:
            base_url: the deployment's own address.
        """
        if base_url is None:
            base_url = self.base_url if self.base_url_of is None else self.base_url_of(options)
        return None if base_url is None else _filled(base_url, options).rstrip("/")

    def hands_over(self, deployment: Deployment, path: str) -> bool:
        """Whether lines of batches with this path go to the provider's batch API."""
        return self.batches is not None and (BATCH, "provider") in deployment.options and path in self.batches.paths

    def is_home(self, address: str | None, options: Options) -> bool:
        """Whether an address is the provider's default one."""
        return address is not None and address == self.address(None, options)

    def vendor_at(self, address: str | None, options: Options) -> str:
        """Return the company at an address: the provider's own, or the host of another address."""
        if address is None or self.is_home(address, options):
            return self.vendor or self.manifest.name
        return urlsplit(address).hostname or address

    def is_relayed(self, model: str) -> bool:
        """Whether the machines at `base_url` pass a model's calls on to their vendor."""
        return bool(self.relayed) and model.lower().endswith(self.relayed)


BETAS: Final = "betas"
"""The option of deployments that names the betas of Anthropic's wire that their model accepts."""

BETA_HEADER: Final = "anthropic-beta"

BETAS_OPTION: Final = Option(
    "the betas of Anthropic's wire that its model accepts; Headgate leaves out others that clients ask for",
    pattern=re.compile(r"[a-z0-9][a-z0-9-]{0,63}(?:,[a-z0-9][a-z0-9-]{0,63}){0,31}"),
    example="interleaved-thinking-2025-05-14,context-1m-2025-08-07",
)

BATCH: Final = "batch"
"""The option of deployments whose batches go to the provider's batch API."""

BATCH_OPTION: Final = Option(
    "write provider to answer lines of batches by the provider's batch API, at its price and within 24 hours",
    pattern=re.compile("provider"),
    example="provider",
)


def _filled(template: str, options: Options) -> str:
    """Return a template with the options' values, percent-encoded; unknown names stay."""
    if "{" not in template:
        return template
    return _PLACE.sub(lambda found: quote(options[found[1]], safe="") if found[1] in options else found[0], template)


def bearer(secret: str | None) -> Headers:
    """Return the secret as an `authorization: Bearer` header; no header without a secret."""
    return (("authorization", f"Bearer {secret}"),) if secret else ()


def endpoints_of(provider: Provider) -> tuple[Endpoint, ...]:
    """Return all endpoints of a provider."""
    found = tuple(provider.endpoints.values())
    return (*found, *(one.endpoint for endpoint in found for one in endpoint.alternatives))

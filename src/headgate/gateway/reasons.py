"""Reasons of failed dispatches in words of the trade, without hosts, credentials or a provider's own text."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Literal, NamedTuple

from headgate.kernel.errors import Denied, HeadgateError, Invalid, Unavailable, Upstream, UpstreamTimeout
from headgate.wire.model_call import Deployment

ReasonCode = Literal[
    "address_not_allowed",
    "call_refused",
    "cannot_connect",
    "certificate",
    "closed",
    "configuration",
    "host_unknown",
    "key_missing",
    "key_refused",
    "limit",
    "model_unknown",
    "no_answer",
    "not_a_model",
    "provider_failed",
    "redirect",
    "tls",
]


class Reason(NamedTuple):
    """The reason of a failure, and the next step of an administrator."""

    code: ReasonCode
    why: str
    advice: str


def reason_of(error: HeadgateError, deployment: Deployment) -> Reason:
    """Return the reason of a failed dispatch. Looks at the causes of the error too."""
    chain = tuple(_causes(error))
    status = next((one.upstream_status for one in chain if isinstance(one, Upstream) and one.upstream_status), None)
    if status is not None:
        return _answered(status, deployment)
    for cause in chain:
        if (found := _unanswered(cause)) is not None:
            return found
    return Reason(
        "not_a_model",
        "The server's answer is not an answer of a model.",
        "Check that the address is the API's base address, and that the provider is the right one.",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the causes of an error, the first cause first."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__
    yield from reversed(chain)


def _answered(status: int, deployment: Deployment) -> Reason:
    match status:
        case 401 | 403:
            told = "refused the key" if deployment.key else "wants a key, and this deployment has none"
            return Reason(
                "key_refused",
                f"The provider {told} (status {status}).",
                "Check that the credential is current, and that its account may use this model.",
            )
        case 404:
            return Reason(
                "model_unknown",
                f"The provider does not know the model {deployment.model} (status 404).",
                "Check the model's name, and that the address ends as the provider's documentation says.",
            )
        case 402 | 429:
            return Reason(
                "limit",
                f"The account has reached a limit of the provider (status {status}).",
                "Wait and try again, or raise the limit or the credit of the account.",
            )
        case _ if 300 <= status < 400:
            return Reason(
                "redirect",
                f"The address redirects to another one (status {status}), which Headgate does not follow.",
                "Enter the address that it redirects to.",
            )
        case _ if status >= 500:
            return Reason(
                "provider_failed",
                f"The provider has a failure of its own (status {status}).",
                "Try again later, or look at the provider's status page.",
            )
        case _:
            return Reason(
                "call_refused",
                f"The provider refused the call (status {status}).",
                "The record of the call has the provider's own words, for readers who may see content.",
            )


def _unanswered(cause: BaseException) -> Reason | None:
    match cause:
        case ssl.SSLCertVerificationError():
            return Reason(
                "certificate",
                f"The server's certificate does not verify: {cause.verify_message}.",
                "For a certificate of your own authority, add a network with its ca_file and choose it here.",
            )
        case ssl.SSLError():
            return Reason(
                "tls",
                "The server does not answer with TLS.",
                "Check whether the address begins with http:// or https://, and its port.",
            )
        case socket.gaierror():
            return Reason("host_unknown", "No host has the name in the address.", "Check the spelling of the address.")
        case UpstreamTimeout() | TimeoutError():
            return Reason(
                "no_answer",
                "The server did not answer in time.",
                "Check that it runs and is not overloaded. A model that is still loading answers later.",
            )
        case ConnectionResetError() | ConnectionAbortedError() | BrokenPipeError():
            return Reason(
                "closed",
                "The server closed the connection without an answer.",
                "Check whether the address begins with http:// or https://, and its port.",
            )
        case OSError():
            return Reason(
                "cannot_connect",
                "Nothing accepts connections at the address.",
                "Check the host and port, and that the server runs and listens there.",
            )
        case Denied():
            return Reason(
                "address_not_allowed",
                "The address is on a private network, and Headgate may not reach it for this deployment.",
                'Choose "Our own machines" if it is one, or choose a network that allows the address.',
            )
        case Unavailable():
            return Reason(
                "key_missing",
                f"The credential cannot be read: {cause.message}.",
                "Set it for Headgate, and restart Headgate if it is an environment variable.",
            )
        case Invalid():
            return Reason("configuration", f"{cause.message.rstrip('.')}.", "Correct the deployment.")
        case _:
            return None

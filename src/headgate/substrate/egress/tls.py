"""TLS settings of outgoing connections: trusted authorities and client certificates."""

from __future__ import annotations

import functools
import ssl

from headgate.kernel.errors import Invalid
from headgate.substrate.egress.profile import NetworkProfile


def client_context(profile: NetworkProfile) -> ssl.SSLContext:
    """Return a TLS context that verifies names and chains, with TLS 1.2 or newer and HTTP/1.1 by ALPN.

    Profiles without files of their own share one context for the life of the process.

    Raises:
        Invalid: a file of the profile is missing or malformed.
    """
    if profile.ca_file is None and profile.client_cert_file is None:
        return _system_context()
    context = _new_context()
    if profile.ca_file is not None:
        try:
            context.load_verify_locations(profile.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Invalid("The private CA bundle could not be read as PEM.", param="ca_file") from error
        # The default since Python 3.13: the bundle may end with an intermediate authority.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        # The default before Python 3.13: certificates of private authorities may lack fields that RFC 5280 requires.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if profile.client_cert_file is not None:
        try:
            context.load_cert_chain(profile.client_cert_file, profile.client_key_file, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            raise Invalid(
                "The client certificate or its key could not be read, or they do not belong together.",
                param="client_cert_file",
            ) from error
    return context


@functools.cache
def _system_context() -> ssl.SSLContext:
    return _new_context()


def _new_context() -> ssl.SSLContext:
    """Return a context with the system's authorities, which takes tens of milliseconds to read."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    """Replaces OpenSSL's password prompt, which would block the process at the terminal."""
    return ""

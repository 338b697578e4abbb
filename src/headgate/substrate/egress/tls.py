"""TLS settings for leaving connections: who is trusted, and which certificate we show."""

from __future__ import annotations

import ssl

from headgate.kernel.errors import Invalid
from headgate.substrate.egress.profile import NetworkProfile


def client_context(profile: NetworkProfile) -> ssl.SSLContext:
    """A context that verifies names and chains, TLS 1.2 at least, HTTP/1.1 by ALPN.

    Reads the system's authorities from disk: tens of milliseconds, so once per profile and never per request.

    Raises:
        Invalid: a file of the profile is missing or not what it should be.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if profile.ca_file is not None:
        try:
            context.load_verify_locations(profile.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Invalid("The private CA bundle could not be read as PEM.", param="ca_file") from error
        # As Python 3.13 has it and older ones do not: the bundle may end with the authority that issues.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        # As older ones have it and 3.13 does not: private authorities leave out what RFC 5280 asks for beside trust.
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


def _no_password() -> str:
    """Stands in for OpenSSL's own prompt, which would stop the process to ask at the terminal."""
    return ""

"""Mail by SMTP: the standard library's client, on a thread, to a vetted address only."""

from __future__ import annotations

import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage

from headgate.kernel.errors import Upstream
from headgate.notices.destinations import Security

_TIMEOUT_S = 20.0
SENT = 250


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server.

    Args:
        host: its name, which its certificate must have.
        address: the vetted address to connect to.
        login: user and password, or None.
    """

    host: str
    port: int
    address: str
    security: Security
    tls: ssl.SSLContext = field(repr=False)
    login: tuple[str, str] | None = field(default=None, repr=False)


def send_mail(mail: EmailMessage, server: MailServer) -> int:
    """Send one message; blocks for at most a few times 20 seconds. Returns SMTP's status 250.

    Raises:
        Upstream: the server cannot be reached, has no valid certificate, or does not take the message.
    """
    try:
        with _Client(server) as client:
            if server.security == "starttls":
                client.starttls(context=server.tls)
            if server.login is not None:
                client.login(*server.login)
            refused = client.send_message(mail)
    except ssl.SSLCertVerificationError as error:
        raise Upstream(
            f"the certificate of {server.host} does not verify ({error.verify_message});"
            " for a private authority, set ca_file in the notification"
        ) from error
    except smtplib.SMTPResponseException as error:
        # The server's own text may repeat addresses, so only its status is told.
        raise Upstream(f"the mail server {server.host} answered with status {error.smtp_code}") from error
    except smtplib.SMTPRecipientsRefused as error:
        raise Upstream(f"the mail server {server.host} refused every recipient") from error
    except (OSError, smtplib.SMTPException) as error:
        raise Upstream(f"the mail server {server.host} cannot be used ({type(error).__name__})") from error
    if refused:
        raise Upstream(f"the mail server {server.host} refused {len(refused)} of the recipients")
    return SENT


class _Client(smtplib.SMTP):
    """Connects to the vetted address, and checks the certificate against the server's name."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        super().__init__(server.host, server.port, timeout=_TIMEOUT_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # pyright: ignore[reportUnusedFunction] - smtplib calls it to connect
        raw = socket.create_connection((self._server.address, port), timeout)
        if self._server.security != "tls":
            return raw
        return self._server.tls.wrap_socket(raw, server_hostname=host)

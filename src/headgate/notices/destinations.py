"""Destinations of notices: the entries of `[[notification]]`, checked.

[[notification]]
id = "approvers"
channel = "mail"                    # mail, webhook, slack, teams
server = "smtp.example.com:587"     # mail: host and port
security = "starttls"               # mail: starttls, tls, or none on an internal server
login = "env:SMTP_LOGIN"            # mail: reference to user:password; absent: no login
sender = "headgate@example.com"     # mail
to = ["approvers@example.com"]      # mail
events = ["approval.waiting"]       # absent: all
use_cases = ["claims"]              # absent: all

[[notification]]
id = "chat"
channel = "slack"
url = "env:SLACK_URL_SECRET"        # a reference, because the address is a secret
internal = true                     # its address may be a private one
ca_file = "/etc/ssl/company.pem"    # trusts these authorities too
console = "https://headgate.example.com"  # address of the console in links; absent: the one of this machine

[[notification]]
id = "tickets"
channel = "webhook"
url = "https://tickets.example.com/headgate"
secret = "env:TICKETS_SECRET"       # signs each message; see the header x-headgate-signature
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Literal, cast

import msgspec

from headgate.admin.notices import EVENTS
from headgate.kernel.errors import Invalid
from headgate.substrate.egress import Origin, parse_url, why_never
from headgate.substrate.secrets import check_reference

Channel = Literal["mail", "webhook", "slack", "teams"]
Security = Literal["starttls", "tls", "none"]

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_ADDRESS = re.compile(r"[^@\s<>,\"]{1,64}@[A-Za-z0-9.-]{1,190}")
_SERVER = re.compile(r"(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})")
_MOST_RECIPIENTS = 50
_OF_MAIL = ("server", "sender", "to")


class Destination(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One destination. The fields of other channels are empty."""

    id: str
    channel: Channel
    events: list[str] | None = None
    use_cases: list[str] | None = None
    url: str | None = None
    secret: str | None = None
    server: str | None = None
    security: Security = "starttls"
    login: str | None = None
    sender: str | None = None
    to: list[str] = []
    internal: bool = False
    ca_file: str | None = None
    console: str | None = None

    @property
    def place(self) -> str:
        """Where it goes, for people. A secret address is only named by its reference."""
        if self.channel == "mail":
            return self.server or ""
        url = self.url or ""
        return url if is_reference(url) else parse_url(url).origin.authority

    @property
    def profile(self) -> str:
        """The name of its network profile, within its tenant."""
        return f"notices/{self.id}"

    def origin_of(self, url: str) -> Origin:
        """Return the origin of its URL, or of its mail server."""
        if self.channel != "mail":
            return parse_url(url).origin
        host, port = server_of(self)
        return Origin("smtp", host, port)


def is_reference(text: str) -> bool:
    """Return whether a URL is a reference to a secret."""
    return text.startswith(("env:", "file:"))


def server_of(destination: Destination) -> tuple[str, int]:
    """Return host and port of the mail server.

    Raises:
        Invalid: it has another form.
    """
    found = _SERVER.fullmatch(destination.server or "")
    if found is None or not 0 < int(found["port"]) < 65536:
        raise Invalid("write the mail server as host:port, such as smtp.example.com:587", param="server")
    return found["host"].strip("[]").lower(), int(found["port"])


def refuse_destination(destination: Destination) -> None:
    """Raise Invalid if a destination is malformed; `param` is the field."""
    if not _ID.fullmatch(destination.id):
        raise Invalid("an id has up to 63 of a-z, 0-9, '.', '_', '-', and begins with a letter or digit", param="id")
    for event in destination.events or ():
        if event not in EVENTS:
            near = get_close_matches(event, EVENTS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(EVENTS)}"
            raise Invalid(f"there is no event {event!r}; {hint}", param="events")
    if destination.console is not None:
        _origin(destination.console, param="console")
    if destination.channel == "mail":
        _refuse_mail(destination)
    else:
        _refuse_webhook(destination)


def _refuse_mail(destination: Destination) -> None:
    for name in _OF_MAIL:
        if not getattr(destination, name):
            raise Invalid(f"a notification by mail needs {name}", param=name)
    if destination.url is not None or destination.secret is not None:
        raise Invalid("a notification by mail has no url and no secret", param="url")
    for param, addresses in (("sender", [cast("str", destination.sender)]), ("to", destination.to)):
        for address in addresses:
            if not _ADDRESS.fullmatch(address):
                raise Invalid(f"{address!r} is not a mail address", param=param)
    if len(destination.to) > _MOST_RECIPIENTS:
        raise Invalid(f"at most {_MOST_RECIPIENTS} recipients; use a distribution list", param="to")
    if destination.login is not None:
        check_reference(destination.login, param="login")
    if destination.security == "none" and (destination.login is not None or not destination.internal):
        raise Invalid("security none needs internal = true, and allows no login", param="security")
    _refuse_host(server_of(destination)[0], param="server")


def _refuse_webhook(destination: Destination) -> None:
    channel, url = destination.channel, destination.url
    if url is None:
        raise Invalid(f"a notification by {channel} needs url", param="url")
    for name in ("server", "login", "sender", "to"):
        if getattr(destination, name):
            raise Invalid(f"{name} is for the channel mail only", param=name)
    if destination.secret is not None:
        if channel != "webhook":
            raise Invalid("only the channel webhook signs its messages", param="secret")
        check_reference(destination.secret, param="secret")
    if channel != "webhook" or is_reference(url):
        check_reference(url, param="url")
        return
    refuse_url(destination, url)


def refuse_url(destination: Destination, url: str) -> None:
    """Raise Invalid if a webhook's address may not be used. Runs again for an address from a secret."""
    origin = _origin(url, param="url")
    if origin.scheme != "https" and not destination.internal:
        raise Invalid("plain http needs internal = true; write an https URL", param="url")
    _refuse_host(origin.host, param="url")


def _origin(url: str, *, param: str) -> Origin:
    try:
        return parse_url(url).origin
    except Invalid as error:
        raise Invalid("this is not an http or https URL", param=param) from error


def _refuse_host(host: str, *, param: str) -> None:
    if (why := why_never(host)) is not None:
        raise Invalid(f"{host} is {why}, and cannot receive notices", param=param)

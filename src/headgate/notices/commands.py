"""`headgate notifications`: lists the destinations of notices, and sends a test."""

from __future__ import annotations

from urllib.parse import quote

import click

from headgate.admin.client import client_at, url_option
from headgate.admin.printing import as_json_option, print_rows

_COLUMNS = ("id", "channel", "place", "events", "waiting", "sent", "given_up", "last_error")


@click.group()
def notifications() -> None:
    """List the destinations of notices, and send a test. `[[notification]]` in headgate.toml declares them."""


@notifications.command("list")
@url_option
@as_json_option
def list_notifications(url: str | None, as_json: bool) -> None:
    """List the destinations and how their deliveries stand."""
    print_rows(client_at(url).call("GET", "/api/notifications")["notifications"], _COLUMNS, as_json=as_json)


@notifications.command("test")
@click.argument("notification")
@url_option
def send_test(notification: str, url: str | None) -> None:
    """Send a test notice to a destination."""
    answer = client_at(url).call("POST", f"/api/notifications/{quote(notification, safe='')}/test")
    click.echo(f"{notification} answered with status {answer['status']}")


COMMANDS = (notifications,)

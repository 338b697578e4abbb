"""Messages: a notice as JSON for webhooks, as a Slack or Teams message, and as mail."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import msgspec

from headgate.admin.notices import BUDGET_PASSED, Notice
from headgate.notices.verbs import Delivery

_MEDIA_TYPE = (b"content-type", b"application/json")


def body_of(delivery: Delivery) -> bytes:
    """Return the body of a webhook, in the format of its channel."""
    match delivery.destination.channel:
        case "slack":
            return msgspec.json.encode(_slack(delivery))
        case "teams":
            return msgspec.json.encode(_teams(delivery))
        case _:
            return msgspec.json.encode(_plain(delivery))


def headers_of(delivery: Delivery, body: bytes, *, secret: str | None, now: datetime) -> Sequence[tuple[bytes, bytes]]:
    """Return the headers of a webhook.

    With a secret, `x-headgate-signature` is `v1=` and the HMAC-SHA256, in hex, of `TIMESTAMP.BODY`. The receiver
    compares it, and refuses an old `x-headgate-timestamp` to stop replays.
    """
    if delivery.destination.channel != "webhook":
        return (_MEDIA_TYPE,)
    sent_at = str(int(now.timestamp()))
    headers = [
        _MEDIA_TYPE,
        (b"x-headgate-event", delivery.notice.event.encode()),
        (b"x-headgate-delivery", delivery.id.encode()),
        (b"x-headgate-timestamp", sent_at.encode()),
    ]
    if secret is not None:
        signature = hmac.new(secret.encode(), f"{sent_at}.".encode() + body, hashlib.sha256).hexdigest()
        headers.append((b"x-headgate-signature", f"v1={signature}".encode()))
    return headers


def mail_of(delivery: Delivery, *, now: datetime) -> EmailMessage:
    """Return the notice as mail. A repeated delivery has the same Message-ID."""
    destination, notice = delivery.destination, delivery.notice
    mail = EmailMessage()
    mail["Subject"] = _one_line(notice.title)
    mail["From"] = destination.sender
    mail["To"] = ", ".join(destination.to)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{delivery.id}@{(destination.sender or '').rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    about = [f"Use case: {notice.use_case}"] if notice.use_case else []
    lines = [notice.title, "", *about, f"By: {notice.who}", "", f"Open it: {delivery.link}", ""]
    mail.set_content("\n".join(lines))
    return mail


def _plain(delivery: Delivery) -> dict[str, Any]:
    notice = delivery.notice
    return {
        "id": delivery.id,
        "event": notice.event,
        "subject": notice.subject,
        "title": notice.title,
        "who": notice.who,
        "use_case": notice.use_case,
        "link": delivery.link,
    }


def _slack(delivery: Delivery) -> dict[str, Any]:
    """Return a Slack message. Source: https://docs.slack.dev/messaging/formatting-message-text."""
    notice = delivery.notice
    about = [f"Use case: {_escaped(notice.use_case)}"] if notice.use_case else []
    return {"text": "\n".join([_escaped(notice.title), *about, f"<{delivery.link}|{_link_words(notice)}>"])}


def _teams(delivery: Delivery) -> dict[str, Any]:
    """Return a Teams message with an adaptive card. Source: https://adaptivecards.io/explorer."""
    notice = delivery.notice
    title = {"type": "TextBlock", "text": notice.title, "weight": "Bolder", "wrap": True}
    about = {"type": "TextBlock", "text": f"Use case: {notice.use_case}", "isSubtle": True, "wrap": True}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [title, about] if notice.use_case else [title],
        "actions": [{"type": "Action.OpenUrl", "title": _link_words(notice), "url": delivery.link}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def _link_words(notice: Notice) -> str:
    return "Open the budgets" if notice.event == BUDGET_PASSED else "Open the request"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str) -> str:
    return " ".join(text.split())

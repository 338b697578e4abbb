"""E-mail (`.eml`): subject, people, date, and the text of the message."""

from __future__ import annotations

import email
from collections.abc import Iterator
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime
from typing import cast

from headgate.kernel.errors import Invalid
from headgate.knowledge.blocks import Block, ReadFile
from headgate.knowledge.readers.raw_file import RawFile, collected
from headgate.knowledge.readers.text import decoded, one_line, paragraphs
from headgate.knowledge.readers.web_page import html_file

_SHOWN = ("From", "To", "Cc", "Date")


def read(raw: RawFile) -> ReadFile:
    """Read a message. Attachments are named, not read."""
    try:
        message = email.message_from_bytes(raw.data, policy=policy.default)
        return _read(message, raw)
    # Source: the parser of headers raises these on broken ones.
    except (AttributeError, IndexError, KeyError, LookupError, RecursionError, TypeError, ValueError) as exc:
        raise Invalid("The message is damaged: its parts cannot be told apart. Save it again as .eml.") from exc


def _read(message: EmailMessage, raw: RawFile) -> ReadFile:
    senders = getaddresses([str(value) for value in message.get_all("From", [])])
    return ReadFile(
        media_type=raw.media_type,
        blocks=collected(_blocks(message), raw.limits),
        title=_header(message, "Subject"),
        authors=[name or address for name, address in senders if name or address],
        written_at=_date(_header(message, "Date")),
    )


def _blocks(message: EmailMessage) -> Iterator[Block]:
    people = [f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))]
    if people:
        yield Block(kind="text", text="\n".join(people))
    body = message.get_body(("plain", "html"))
    if body is not None:
        text = _content(cast(EmailMessage, body))
        is_html = body.get_content_type() == "text/html"
        yield from html_file(text, media_type="text/html").blocks if is_html else paragraphs(text)
    names = [one_line(str(part.get_filename() or "")) for part in message.iter_attachments()]
    if any(names):
        yield Block(kind="text", text=f"Attachments: {', '.join(filter(None, names))}")


def _content(part: EmailMessage) -> str:
    try:
        text = part.get_content()
    except LookupError:  # an unknown charset
        text = part.get_payload(decode=True)
    return decoded(text) if isinstance(text, bytes) else decoded(str(text).encode("utf-8", "replace"))


def _header(message: EmailMessage, name: str) -> str:
    return one_line(str(message.get(name, "")))


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)

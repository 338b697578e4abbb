"""Prints the OpenAPI document; the console's client is generated from it."""

from __future__ import annotations

import sys

import msgspec

from headgate import __version__
from headgate.server.api.host import EVERY_OPERATION
from headgate.server.api.openapi import document

sys.stdout.buffer.write(
    msgspec.json.format(msgspec.json.encode(document(EVERY_OPERATION, version=__version__)), indent=1)
)
sys.stdout.buffer.write(b"\n")

"""`headgate records|ledger`."""

from __future__ import annotations

from headgate.ledger.log_commands import ledger
from headgate.ledger.record_commands import records

COMMANDS = (records, ledger)

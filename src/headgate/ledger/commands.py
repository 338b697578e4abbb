"""`headgate records|ledger`."""

from __future__ import annotations

from headgate.ledger.activity_commands import export_records, search_records, views
from headgate.ledger.log_commands import ledger
from headgate.ledger.record_commands import records

for _command in (search_records, export_records, views):
    records.add_command(_command)

COMMANDS = (records, ledger)

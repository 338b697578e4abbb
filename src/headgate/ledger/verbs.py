"""The verbs of the ledger."""

from __future__ import annotations

from headgate.admin.commands import ADMINISTER, AUDIT, command_verb
from headgate.admin.records import RECORD_FORGET, RECORD_REVEAL

RECORD_LIST = command_verb("record.list", "read", "See the records", AUDIT, on="ledger")
RECORD_READ = command_verb("record.read", "read", "See a record", AUDIT)
RECORD_VERIFY = command_verb("record.verify", "read", "Verify the log", AUDIT, on="ledger")
RECORD_EXPORT = command_verb("record.export", "read", "Export records", AUDIT)
RECORD_SEARCH = command_verb("record.search", "read", "Search the content of records", AUDIT, on="ledger")
VIEW_SAVE = command_verb("view.save", "write", "Save a view of the records", AUDIT, on="views")
VIEW_DELETE = command_verb("view.delete", "write", "Delete a view of the records", AUDIT, on="views")
RECORD_ERASE = command_verb("record.erase", "write", "Erase the content of records", ADMINISTER, on="ledger")

VERBS = (
    RECORD_LIST,
    RECORD_READ,
    RECORD_VERIFY,
    RECORD_EXPORT,
    RECORD_ERASE,
    RECORD_SEARCH,
    RECORD_REVEAL,
    RECORD_FORGET,
    VIEW_SAVE,
    VIEW_DELETE,
)

"""The server's own operations: the first page and the configuration."""

from __future__ import annotations

from headgate.features import FEATURES, operation_names, refuse_doubles
from headgate.server.api import config, config_edits, config_keys, entries, overview, status

OPERATIONS = (
    *overview.OPERATIONS,
    *status.OPERATIONS,
    *config.OPERATIONS,
    *config_edits.OPERATIONS,
    *config_keys.OPERATIONS,
    *entries.OPERATIONS,
)

EVERY_OPERATION = (*OPERATIONS, *(operation for feature in FEATURES for operation in feature.operations))
"""The operations of the server and of every feature, in the order of the document."""

refuse_doubles(FEATURES, taken=operation_names(OPERATIONS))

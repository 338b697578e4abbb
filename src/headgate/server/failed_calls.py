"""One line in the log for each failed model call, for operators. It has no content."""

from __future__ import annotations

import structlog

from headgate.kernel.record import Closing, Opening

log = structlog.get_logger(__name__)


def log_failed_call(opening: Opening, closing: Closing) -> None:
    """Log the record's id, the names and the reason of a failed call.

    The reason is the record's: it may name hosts, and never has the text of a provider or a caller.
    """
    facts = closing.facts
    log.warning(
        "call_failed",
        record=opening.id,
        tenant=opening.tenant,
        alias=opening.resource.partition(":")[2],
        deployment=facts.get("deployment"),
        use_case=opening.use_case,
        outcome=closing.outcome,
        code=closing.error,
        status=facts.get("status"),
        reason=facts.get("reason"),
    )

"""The arguments of a tool call as a JSON object, for wires that do not send them as text."""

from __future__ import annotations

from typing import Any

import msgspec

from headgate.kernel.errors import Invalid, Upstream
from headgate.wire.json_document import MAX_DEPTH, TooDeep, decoded_inside


def tool_input(arguments: str, *, fault: type[Invalid | Upstream]) -> msgspec.Raw | dict[str, Any]:
    """Return a tool call's arguments as a JSON object, byte for byte; wrap any other text.

    Raises:
        fault: the arguments are nested deeper than a body may be.
    """
    if not arguments.strip():
        return {}
    try:
        value = decoded_inside(arguments)
    except TooDeep as error:
        raise fault(f"the arguments of a tool call are nested deeper than {MAX_DEPTH} levels") from error
    return msgspec.Raw(arguments.encode()) if isinstance(value, dict) else {"arguments": arguments}

"""The verbs of administration: what changes an installation or reveals what its records keep.

Their payload is a `Command`: a closure over what to do, with what the record may say of it. So one performer does them
all, and each is decided, recorded and counted like a model call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from headgate.kernel.action import Verb, VerbEffect
from headgate.kernel.record import Fact

Facts = MutableMapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to be done.

    Args:
        summary: facts for the record, known before; no content, no secrets, no personal data.
        arguments: SHA-256, in hex, of everything that decides what `do` does, so that an approval of this command is
            no approval of another one.
        do: does it and returns the result; may add facts that are known only afterwards.
    """

    summary: Mapping[str, Fact]
    arguments: str
    do: Callable[[Facts], Awaitable[Any]] = field(repr=False)


def _verb(name: str, effect: VerbEffect) -> Verb[Command, Any, Any]:
    return Verb(name, Command, object, object, effect=effect)


KEY_CREATE = _verb("key.create", "write")
KEY_REVOKE = _verb("key.revoke", "write")
USE_CASE_PUT = _verb("use_case.put", "write")
USE_CASE_DELETE = _verb("use_case.delete", "write")
RULE_SET_MODE = _verb("rule.set_mode", "write")
POLICY_PUT = _verb("policy.put", "write")
POLICY_DELETE = _verb("policy.delete", "write")
CONFIG_APPLY = _verb("config.apply", "write")
APPROVAL_DECIDE = _verb("approval.decide", "write")
SESSION_INVITE = _verb("session.invite", "write")
SESSION_OPEN = _verb("session.open", "write")
SESSION_CLOSE = _verb("session.close", "write")
RECORD_REVEAL = _verb("record.reveal", "read")
RECORD_EXPORT = _verb("record.export", "read")

ACCESS_RECOVER = _verb("access.recover", "write")
"""Done on Headgate's own machine only, and performed by no worker."""

RECORDED: tuple[Verb[Command, Any, Any], ...] = (
    KEY_CREATE,
    KEY_REVOKE,
    USE_CASE_PUT,
    USE_CASE_DELETE,
    RULE_SET_MODE,
    POLICY_PUT,
    POLICY_DELETE,
    CONFIG_APPLY,
    APPROVAL_DECIDE,
    SESSION_INVITE,
    SESSION_OPEN,
    SESSION_CLOSE,
    RECORD_REVEAL,
    RECORD_EXPORT,
)
"""What is done through the pipeline, each with a record of its own."""

MODEL_PREVIEW = _verb("model.preview", "read")
"""A look at what would be sent for a text: decided as a use of models, under the use case that it names."""

COMMANDS = (*RECORDED, MODEL_PREVIEW)
"""Every verb whose payload is a command."""

REQUEST_REFUSE = _verb("request.refuse", "read")
"""A request that was refused at the door, before it became an action: recorded, within limits, and never performed."""

CONFIG_READ = _verb("config.read", "read")
KEY_LIST = _verb("key.list", "read")
USE_CASE_LIST = _verb("use_case.list", "read")
POLICY_LIST = _verb("policy.list", "read")
APPROVAL_LIST = _verb("approval.list", "read")
RECORD_LIST = _verb("record.list", "read")
RECORD_READ = _verb("record.read", "read")
RECORD_VERIFY = _verb("record.verify", "read")
"""Lists and metadata: decided, not recorded; see `headgate.server.administration.authorise`."""

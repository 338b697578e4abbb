"""The verbs of files and batches. Rules may ask for the principal whose file or batch it is."""

from __future__ import annotations

from headgate.admin.commands import ADMINISTER, Command, CommandVerb, command_verb
from headgate.kernel.action import Resource, Verb, VerbEffect
from headgate.wire.model_call import USE_MODELS

OWN = "own-batch"
"""The group of the verbs of principals on their own files and batches."""

_ATTRIBUTES = {"owner": str}


def _verb(name: str, effect: VerbEffect, title: str) -> CommandVerb:
    return Verb(
        name,
        Command,
        object,
        object,
        effect=effect,
        title=title,
        groups=(USE_MODELS, OWN),
        attributes=_ATTRIBUTES,
    )


FILE_UPLOAD = _verb("file.upload", "write", "Upload a file")
FILE_LIST = _verb("file.list", "read", "List own files")
FILE_READ = _verb("file.read", "read", "Read an own file")
FILE_DELETE = _verb("file.delete", "write", "Delete an own file")
BATCH_CREATE = _verb("batch.create", "write", "Begin a batch")
BATCH_LIST = _verb("batch.list", "read", "List own batches")
BATCH_READ = _verb("batch.read", "read", "Read the results of an own batch")
BATCH_CANCEL = _verb("batch.cancel", "write", "Cancel an own batch")
BATCH_DELETE = _verb("batch.delete", "write", "Delete an own batch")

BATCH_OVERSEE = command_verb("batch.oversee", "read", "See the batches of everybody", ADMINISTER, on="batches")
BATCH_STOP = command_verb("batch.stop", "write", "Cancel a batch of somebody else", ADMINISTER, on="batch")

BATCH_HAND_OVER = command_verb("batch.hand_over", "send", "Hand lines over to a provider's batch", on="deployment")
BATCH_COLLECT = command_verb("batch.collect", "send", "Collect a provider's batch", on="deployment")
BATCH_TAKE_BACK = command_verb("batch.take_back", "send", "Cancel a provider's batch", on="deployment")

VERBS = (
    FILE_UPLOAD,
    FILE_LIST,
    FILE_READ,
    FILE_DELETE,
    BATCH_CREATE,
    BATCH_LIST,
    BATCH_READ,
    BATCH_CANCEL,
    BATCH_DELETE,
    BATCH_OVERSEE,
    BATCH_STOP,
    BATCH_HAND_OVER,
    BATCH_COLLECT,
    BATCH_TAKE_BACK,
)


def file_resource(file_id: str, *, owner: str) -> Resource:
    """Return a file as the resource of an action."""
    return Resource("file", file_id, attributes={"owner": owner})


def batch_resource(batch_id: str, *, owner: str) -> Resource:
    """Return a batch as the resource of an action."""
    return Resource("batch", batch_id, attributes={"owner": owner})

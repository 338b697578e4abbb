"""The verbs of the gateway. `wire.model_call` defines the verbs of model calls."""

from __future__ import annotations

from headgate.admin.commands import ADMINISTER, AUDIT, command_verb
from headgate.gateway.recall import MODEL_RECALL
from headgate.gateway.trial import DeploymentTrial
from headgate.kernel.action import Verb
from headgate.wire.model_call import (
    MODEL_DISPATCH,
    MODEL_INVOKE,
    MODEL_PASS,
    UNITS,
    USE_MODELS,
    ModelEvent,
    ModelReply,
)

MODEL_PREVIEW = command_verb("model.preview", "read", "Preview a call", USE_MODELS)
"""Previews the requests for a text. Policy decides it as a use of models in the named use case."""

MODEL_TEST: Verb[DeploymentTrial, ModelEvent, ModelReply] = Verb(
    "model.test",
    DeploymentTrial,
    ModelEvent,
    ModelReply,
    effect="send",
    units=UNITS,
    title="Test a model",
    on="deployment",
    groups=(ADMINISTER,),
)
"""Sends one fixed sentence to one deployment, declared or not yet, so that an administrator sees whether it answers."""

MODEL_NAMES = command_verb("model.names", "send", "Ask a provider for its models", ADMINISTER, on="deployment")
"""Asks a server for the names of its models, with the credential that the administrator names."""

MODEL_OUTCOMES = command_verb("model.outcomes", "read", "See the outcomes of an alias", AUDIT, on="config")
"""Reads sums of recorded outcomes, without content and without people."""

MODEL_PULL = command_verb("model.pull", "send", "Pull a model to this machine", ADMINISTER, on="deployment")
"""Fetches the weights of a model for the embedded runtime."""

MODEL_REMOVE = command_verb("model.remove", "write", "Remove a pulled model", ADMINISTER, on="deployment")
"""Removes a pulled model from this machine."""

VERBS = (
    *(MODEL_INVOKE, MODEL_PASS, MODEL_DISPATCH, MODEL_RECALL),
    *(MODEL_PREVIEW, MODEL_TEST, MODEL_NAMES, MODEL_OUTCOMES, MODEL_PULL, MODEL_REMOVE),
)

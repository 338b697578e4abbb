"""The verbs of the gateway. Those of model calls themselves are part of their contract, in `wire.model_call`."""

from __future__ import annotations

from headgate.admin.commands import command_verb
from headgate.wire.model_call import MODEL_DISPATCH, MODEL_INVOKE, USE_MODELS

MODEL_PREVIEW = command_verb("model.preview", "read", "Preview what would leave", USE_MODELS)
"""A look at what would be sent for a text: decided as a use of models, under the use case that it names."""

VERBS = (MODEL_INVOKE, MODEL_DISPATCH, MODEL_PREVIEW)

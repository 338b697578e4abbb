"""The verbs of the gateway. `wire.model_call` defines the verbs of model calls."""

from __future__ import annotations

from headgate.admin.commands import command_verb
from headgate.wire.model_call import MODEL_DISPATCH, MODEL_INVOKE, USE_MODELS

MODEL_PREVIEW = command_verb("model.preview", "read", "Preview a call", USE_MODELS)
"""Previews the requests for a text. Policy decides it as a use of models in the named use case."""

VERBS = (MODEL_INVOKE, MODEL_DISPATCH, MODEL_PREVIEW)

"""What a decoded call asks for: its verb, on an alias or on a deployment."""

from __future__ import annotations

from functools import lru_cache

from headgate.admin.wire_calls import Asked
from headgate.gateway.catalogue import Catalogue
from headgate.gateway.passing import passed_resource
from headgate.kernel.action import Resource
from headgate.wire.model_call import MODEL_INVOKE, MODEL_PASS, ModelCall


def asked_by(call: ModelCall, catalogue: Catalogue) -> Asked:
    """Return the verb and the resource of a call."""
    if call.operation == "raw":
        return Asked(MODEL_PASS, passed_resource(call, catalogue))
    return Asked(MODEL_INVOKE, _alias(catalogue.alias_id(call.model)))


@lru_cache(maxsize=256)
def _alias(alias_id: str) -> Resource:
    return Resource(kind="alias", id=alias_id)

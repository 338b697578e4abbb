"""The sources of answers: the provider and its model behind a deployment, or Headgate's own cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from headgate.admin.client import Client

HEADGATE: Final = "Headgate"
UNKNOWN: Final = "unknown"
_CACHE: Final = "cache:"
_ANY: Final = "*"


class Source(NamedTuple):
    """Who answered.

    Args:
        provider: the company at whose address the deployment is; Headgate for the organisation's own machines and for
            answers from the cache, which nobody bills.
        model: the provider's name of the model; the alias, for a deployment that serves every name.
    """

    provider: str
    model: str


def sources_of(client: Client) -> Mapping[str, Source]:
    """Return the sources of the declared deployments that the caller may see, by deployment."""
    answer: Mapping[str, Any] = client.call("GET", "/api/models")
    deployments = [*answer["loose"], *(one for model in answer["models"] for one in model["deployments"])]
    return {one["id"]: Source(one["vendor"] or HEADGATE, one["model"]) for one in deployments}


def source_of(deployment: str, alias: str, sources: Mapping[str, Source]) -> Source:
    """Return the source of a group of calls; unknown for a deployment that is no longer declared."""
    if deployment.startswith(_CACHE):
        return Source(HEADGATE, "cached answers")
    found = sources.get(deployment, Source(UNKNOWN, alias or UNKNOWN))
    return found._replace(model=alias) if _ANY in found.model and alias else found

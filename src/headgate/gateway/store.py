"""The catalogue in PostgreSQL, schema `gateway`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import msgspec

from headgate.gateway.specs import AliasSpec, DeploymentSpec, NetworkSpec, PriceRowSpec
from headgate.substrate.database import Transaction, load_queries

_QUERIES = load_queries("headgate.gateway")

Kind = Literal["deployment", "alias", "network", "price"]
Spec = DeploymentSpec | AliasSpec | NetworkSpec | PriceRowSpec
_S = TypeVar("_S", DeploymentSpec, AliasSpec, NetworkSpec, PriceRowSpec)

_PLURAL: Mapping[Kind, str] = {
    "deployment": "deployments",
    "alias": "aliases",
    "network": "networks",
    "price": "prices",
}


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    spec: str


class Unreadable(NamedTuple):
    """A stored specification that this version cannot decode."""

    kind: Kind
    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Declared:
    """The declared entries of one tenant, sorted by id, and the ids of unreadable ones."""

    deployments: tuple[DeploymentSpec, ...] = ()
    aliases: tuple[AliasSpec, ...] = ()
    networks: tuple[NetworkSpec, ...] = ()
    prices: tuple[PriceRowSpec, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


async def load(tx: Transaction, *, tenant: str) -> Declared:
    """Return the declared entries of a tenant; four round trips."""
    unreadable: list[Unreadable] = []
    return Declared(
        await _specs(tx, "deployment", tenant=tenant, of=DeploymentSpec, unreadable=unreadable),
        await _specs(tx, "alias", tenant=tenant, of=AliasSpec, unreadable=unreadable),
        await _specs(tx, "network", tenant=tenant, of=NetworkSpec, unreadable=unreadable),
        await _specs(tx, "price", tenant=tenant, of=PriceRowSpec, unreadable=unreadable),
        tuple(unreadable),
    )


async def put(tx: Transaction, kind: Kind, spec: Spec, *, tenant: str) -> None:
    """Store one specification; replaces one of the same id."""
    values = {"tenant": tenant, "id": spec.id, "spec": msgspec.json.encode(spec).decode()}
    await tx.execute(_QUERIES[f"put_{kind}"], values)


async def delete(tx: Transaction, kind: Kind, id: str, *, tenant: str) -> bool:  # noqa: A002 - the field's own name
    """Remove one specification; False if it did not exist."""
    return await tx.execute(_QUERIES[f"delete_{kind}"], {"tenant": tenant, "id": id}) > 0


async def _specs(
    tx: Transaction, kind: Kind, *, tenant: str, of: type[_S], unreadable: list[Unreadable]
) -> tuple[_S, ...]:
    specs: list[_S] = []
    for row in await tx.rows(_QUERIES[_PLURAL[kind]], {"tenant": tenant}, of=_Row):
        try:
            specs.append(msgspec.json.decode(row.spec, type=of))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            unreadable.append(Unreadable(kind, row.id, str(error)))
    return tuple(specs)

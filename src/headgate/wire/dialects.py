"""The installed dialects, from the entry points of the group `headgate.dialects`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from headgate.kernel.errors import Invalid, NotFound
from headgate.kernel.extensions import load
from headgate.wire.dialect import (
    Binding,
    ClientDialect,
    CountCrossing,
    Dialect,
    EmbeddingCrossing,
    PassThrough,
    ProviderDialect,
    TokenCounting,
)
from headgate.wire.file_search import SearchingDialect
from headgate.wire.model_call import ModelCall, ModelReply
from headgate.wire.ranking import RankingClient, RankingProvider
from headgate.wire.stateful import ReadableDialect, StatefulDialect

_S = TypeVar("_S")


@dataclass(frozen=True, slots=True)
class Dialects:
    """Dialects by role and name.

    Args:
        clients: the dialects that serve clients.
        providers: the dialects that speak to providers.
        passing: the dialects that pass their own wire through.
        counting: the dialects that estimate token counts.
        stateful: the dialects whose answers are kept.
        readable: those whose clients also read their answers.
        searching: those whose calls may ask for a search in files.
        binding: the dialects with parts of an answer that only their deployment can read again.
        counts: the dialects whose token counts cross wires.
        embeddings: the dialects whose embeddings cross wires.
        rankings: the dialects for clients whose rankings cross wires.
        rankers: the dialects for providers whose rankings cross wires.
    """

    clients: Mapping[str, ClientDialect]
    providers: Mapping[str, ProviderDialect]
    passing: Mapping[str, PassThrough]
    counting: Mapping[str, TokenCounting]
    stateful: Mapping[str, StatefulDialect] = field(default_factory=dict[str, StatefulDialect])
    readable: Mapping[str, ReadableDialect] = field(default_factory=dict[str, ReadableDialect])
    searching: Mapping[str, SearchingDialect] = field(default_factory=dict[str, SearchingDialect])
    binding: Mapping[str, Binding] = field(default_factory=dict[str, Binding])
    counts: Mapping[str, CountCrossing] = field(default_factory=dict[str, CountCrossing])
    embeddings: Mapping[str, EmbeddingCrossing] = field(default_factory=dict[str, EmbeddingCrossing])
    rankings: Mapping[str, RankingClient] = field(default_factory=dict[str, RankingClient])
    rankers: Mapping[str, RankingProvider] = field(default_factory=dict[str, RankingProvider])

    def client(self, wire: str) -> ClientDialect:
        """Return the dialect that serves clients of a wire.

        Raises:
            NotFound: no such dialect has that name.
        """
        return _found(self.clients, wire)

    def provider(self, wire: str) -> ProviderDialect:
        """Return the dialect that speaks to providers of a wire.

        Raises:
            NotFound: no such dialect has that name.
        """
        return _found(self.providers, wire)

    def render_reply(
        self, reply: ModelReply, *, wire: str, model: str, call: ModelCall | None = None, created: int = 0
    ) -> bytes:
        """Return an answer of any wire for a client of `wire`.

        The other arguments are those of `ClientDialect.from_reply`.
        """
        if reply.wire == wire and (passing := self.passing.get(wire)) is not None:
            return passing.write_reply(reply, model=model)
        if call is not None and call.operation == "embed" and {wire, reply.wire} <= self.embeddings.keys():
            vectors = self.embeddings[reply.wire].to_vectors(reply)
            return self.embeddings[wire].from_vectors(vectors, model=model, call=call)
        if call is not None and wire in self.rankings and reply.wire in self.rankers:
            return self.rankings[wire].from_ranks(self.rankers[reply.wire].to_ranks(reply), model=model, call=call)
        if call is not None and call.operation == "count_tokens" and {wire, reply.wire} <= self.counts.keys():
            return self.counts[wire].count_reply(self.counts[reply.wire].count_in(reply))
        typed = self.provider(reply.wire).to_reply(reply)
        return self.client(wire).from_reply(typed, model=model, call=call, created=created)


def dialects_of(dialects: Iterable[Dialect]) -> Dialects:
    """Sort dialects by role.

    Raises:
        Invalid: a dialect implements neither end or only a part of one, or it has a route for
            token counts but no `estimated_count`.
    """
    clients: dict[str, ClientDialect] = {}
    providers: dict[str, ProviderDialect] = {}
    passing: dict[str, PassThrough] = {}
    counting: dict[str, TokenCounting] = {}
    stateful: dict[str, StatefulDialect] = {}
    readable: dict[str, ReadableDialect] = {}
    searching: dict[str, SearchingDialect] = {}
    binding: dict[str, Binding] = {}
    counts: dict[str, CountCrossing] = {}
    embeddings: dict[str, EmbeddingCrossing] = {}
    rankings: dict[str, RankingClient] = {}
    rankers: dict[str, RankingProvider] = {}
    for dialect in dialects:
        ends = (_has(dialect, ClientDialect), _has(dialect, ProviderDialect))
        if not any(ends):
            raise Invalid(f"the dialect {dialect.name} serves no clients and speaks to no providers")
        if ends[0]:
            client = clients[dialect.name] = cast("ClientDialect", dialect)
            if _has(dialect, TokenCounting):
                counting[dialect.name] = cast("TokenCounting", dialect)
            elif any(route.operation == "count_tokens" for route in client.routes):
                raise Invalid(f"the dialect {dialect.name} serves counts of tokens: it lacks estimated_count")
            if _has(dialect, RankingClient):
                rankings[dialect.name] = cast("RankingClient", dialect)
            if _has(dialect, StatefulDialect):
                stateful[dialect.name] = cast("StatefulDialect", dialect)
            if _has(dialect, ReadableDialect):
                readable[dialect.name] = cast("ReadableDialect", dialect)
            if _has(dialect, SearchingDialect):
                searching[dialect.name] = cast("SearchingDialect", dialect)
        if ends[1]:
            providers[dialect.name] = cast("ProviderDialect", dialect)
            if _has(dialect, RankingProvider):
                rankers[dialect.name] = cast("RankingProvider", dialect)
            if _has(dialect, Binding):
                binding[dialect.name] = cast("Binding", dialect)
        if all(ends) and _has(dialect, PassThrough):
            passing[dialect.name] = cast("PassThrough", dialect)
        if all(ends) and _has(dialect, CountCrossing):
            counts[dialect.name] = cast("CountCrossing", dialect)
        if all(ends) and _has(dialect, EmbeddingCrossing):
            embeddings[dialect.name] = cast("EmbeddingCrossing", dialect)
    return Dialects(
        clients=clients,
        providers=providers,
        passing=passing,
        counting=counting,
        stateful=stateful,
        readable=readable,
        searching=searching,
        binding=binding,
        counts=counts,
        embeddings=embeddings,
        rankings=rankings,
        rankers=rankers,
    )


def load_dialects() -> Dialects:
    """Return the installed dialects.

    Raises:
        Invalid: as `dialects_of`, or an extension has no manifest of kind `dialects`.
        Conflict: two dialects have the same name.
    """
    return dialects_of(cast("Dialect", extension) for extension in load("dialects").values())


def _has(dialect: Dialect, protocol: type[Any]) -> bool:
    """Whether a dialect implements a protocol.

    Raises:
        Invalid: the dialect implements only a part of the protocol.
    """
    names = _members(protocol) - _members(Dialect)
    missing = sorted(name for name in names if not hasattr(dialect, name))
    if missing and len(missing) < len(names):
        raise Invalid(f"the dialect {dialect.name} is no {protocol.__name__}: it lacks {', '.join(missing)}")
    return not missing


def _members(protocol: type[Any]) -> frozenset[str]:
    return frozenset(name for name in dir(protocol) if not name.startswith("_"))


def _found(dialects: Mapping[str, _S], wire: str) -> _S:
    try:
        return dialects[wire]
    except KeyError:
        raise NotFound(f"there is no wire {wire}; there are {', '.join(dialects)}") from None

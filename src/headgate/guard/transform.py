"""The transformer: applies the masking obligation; also previews it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from headgate.guard.answers import AnswerMemory, RememberedThinking
from headgate.guard.engine import Engine
from headgate.guard.exchange import GuardExchange, TransparentExchange
from headgate.guard.keeping import RecordMasker
from headgate.guard.masking import masked
from headgate.guard.pseudonyms import Book, Pseudonyms
from headgate.kernel.action import Action, address_of, is_carrier
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, LogLevel
from headgate.kernel.identity import Principal, UseCase
from headgate.kernel.labels import Clearance
from headgate.kernel.ports import Exchange


class GuardTransformer:
    """The kernel's `Transformer`.

    Args:
        engine: scans results.
        pseudonyms: makes the tokens.
        answers: the cache of answers' labels, or None for no cache.
    """

    def __init__(self, *, engine: Engine, pseudonyms: Pseudonyms, answers: AnswerMemory | None = None) -> None:
        self._engine = engine
        self._pseudonyms = pseudonyms
        self._answers = answers

    def transform(
        self, action: Action[Any, Any, Any], *, labelled: Labelled, decision: Decision, receiver: Clearance
    ) -> Exchange:
        """Return the exchange for this action; a plan passes unchanged."""
        if action.verb.effect == "plan":
            return TransparentExchange(action.payload, labelled.labels)
        book = self._book(action.principal, action.context.use_case)
        mask = decision.obligations.mask
        payload, labels = action.payload, labelled.labels
        counts: Mapping[str, int] = {}
        returned: Mapping[str, int] = {}
        if mask and is_carrier(payload):
            done = masked(
                payload.content,
                labelled.findings,
                categories=mask,
                book=book,
                thought=partial(self._thought, action),
            )
            payload = payload.with_content(done.content)
            counts, returned = done.counts, done.returned
            # Every finding of these categories was replaced, or is no news where it goes, for it is from there; what
            # the floor says no masking can lower.
            labels = labels.masked(mask).join(labelled.floor)
        exchange = GuardExchange(payload, labels, engine=self._engine, book=book, receiver=receiver, masked=counts)
        if decision.obligations.log is LogLevel.MASKED:
            content = action.payload.content if is_carrier(action.payload) else None
            new_book = partial(self._book, action.principal, action.context.use_case)
            exchange.keeper = RecordMasker(content, labelled.findings, engine=self._engine, new_book=new_book)
        if returned:
            exchange.facts = {**exchange.facts, **{f"returned.{kind}": n for kind, n in sorted(returned.items())}}
        if self._answers is not None:
            use_case, caller = action.context.use_case, action.principal.id
            exchange.remember = partial(self._answers.remember, use_case=use_case, caller=caller)
            exchange.remember_thought = partial(self._remember_thought, self._answers, action)
        return exchange

    def _thought(self, action: Action[Any, Any, Any], shown: str) -> RememberedThinking | None:
        """Return the original of a reasoning text if the action sends it back to its origin."""
        if self._answers is None:
            return None
        return self._answers.recall_thought(shown, place=_place(action), use_case=action.context.use_case)

    def _remember_thought(self, answers: AnswerMemory, action: Action[Any, Any, Any], said: str, shown: str) -> None:
        answers.remember_thought(said, shown, place=_place(action), use_case=action.context.use_case)

    def _book(self, principal: Principal, use_case: UseCase) -> Book:
        return self._pseudonyms.book(
            tenant=principal.tenant, use_case=use_case.id, principal=principal.id, kinds=self._engine.kinds
        )


def _place(action: Action[Any, Any, Any]) -> str:
    """Return the name of the action's destination, with its current address."""
    return json.dumps([action.resource.kind, action.resource.id, dict(address_of(action.payload))], sort_keys=True)

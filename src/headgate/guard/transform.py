"""Applies the obligation to mask, and shows beforehand what that would look like."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from headgate.guard.answers import AnswerMemory
from headgate.guard.engine import Engine
from headgate.guard.exchange import GuardExchange, TransparentExchange
from headgate.guard.masking import masked
from headgate.guard.pseudonyms import Book, Pseudonyms
from headgate.kernel.action import Action, is_carrier
from headgate.kernel.content import Content, Finding, Labelled
from headgate.kernel.decision import Decision
from headgate.kernel.identity import Principal, UseCase
from headgate.kernel.labels import Clearance
from headgate.kernel.ports import Exchange


class Preview(NamedTuple):
    """What would have gone out: `content.to_bytes()` are the exact bytes, `findings` are places in the original."""

    content: Content
    findings: tuple[Finding, ...]


class GuardTransformer:
    """The kernel's `Transformer`.

    Args:
        engine: scans what comes back.
        pseudonyms: makes the tokens.
        answers: remembers what answers were labelled; None: nothing does.
    """

    def __init__(self, *, engine: Engine, pseudonyms: Pseudonyms, answers: AnswerMemory | None = None) -> None:
        self._engine = engine
        self._pseudonyms = pseudonyms
        self._answers = answers

    def transform(
        self, action: Action[Any, Any, Any], *, labelled: Labelled, decision: Decision, receiver: Clearance
    ) -> Exchange:
        """Return the exchange for this action; actions that only plan others pass untouched."""
        if action.verb.effect == "plan":
            return TransparentExchange(action.payload, labelled.labels)
        book = self._book(action.principal, action.context.use_case)
        mask = decision.obligations.mask
        payload, labels = action.payload, labelled.labels
        counts: dict[str, int] = {}
        if mask and is_carrier(payload):
            done = masked(payload.content, labelled.findings, categories=mask, book=book)
            payload = payload.with_content(done.content)
            counts = dict(done.counts)
            # Every finding of these categories was replaced; what the floor says no masking can lower.
            labels = labels.masked(mask).join(labelled.floor)
        exchange = GuardExchange(payload, labels, engine=self._engine, book=book, receiver=receiver, masked=counts)
        if self._answers is not None:
            exchange.remember = partial(self._answers.remember, use_case=action.context.use_case)
        return exchange

    def preview(
        self, content: Content, categories: frozenset[str], *, principal: Principal, use_case: UseCase
    ) -> Preview:
        """Return the content as it would go out with these categories masked, and all that was found in it."""
        findings = self._engine.scan_content(content)
        book = self._book(principal, use_case)
        return Preview(masked(content, findings, categories=categories, book=book).content, findings)

    def _book(self, principal: Principal, use_case: UseCase) -> Book:
        return self._pseudonyms.book(tenant=principal.tenant, use_case=use_case.id, principal=principal.id)

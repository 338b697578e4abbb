"""A fake transformer that masks and restores by plain search and replace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headgate.kernel.action import Action, Carrier, is_carrier
from headgate.kernel.content import Content, Labelled
from headgate.kernel.decision import Decision
from headgate.kernel.labels import Clearance, Labels
from headgate.kernel.record import Fact

AnyAction = Action[Any, Any, Any]


class FakeKeeper:
    """Returns `<masked>` for every content, or raises `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def payload(self) -> bytes | None:
        """Return a placeholder, or None if there is an error."""
        return None if self.error is not None else b"<masked>"

    def result(self, content: Content) -> bytes | None:
        """Return a placeholder."""
        if self.error is not None:
            raise self.error
        return b"<masked>"

    def channels(self, texts: Mapping[str, str], *, is_whole: bool) -> bytes:
        """Return a placeholder with the names of the channels and `is_whole`."""
        if self.error is not None:
            raise self.error
        return f"<masked> {','.join(texts)} {is_whole}".encode()


class FakeExchange:
    """Replaces findings of the masked categories by `<category-1>`, `<category-2>` and back.

    It does not recognise a pseudonym that is split over two stream items.

    Args:
        output: own labels of the answer, or a list with labels for each item of it.
    """

    def __init__(
        self, payload: Any, *, labelled: Labelled, mask: frozenset[str], output: Labels | Sequence[Labels]
    ) -> None:
        self._originals: dict[str, str] = {}
        self.payload = self._masked(payload, labelled, mask) if is_carrier(payload) and mask else payload
        self.labels = labelled.labels.masked(mask).join(labelled.floor)
        self.facts: Mapping[str, Fact] = {"masked": len(self._originals)} if self._originals else {}
        self.output_labels = self.labels.join(output) if isinstance(output, Labels) else self.labels
        self.is_transparent = False
        self.error: Exception | None = None
        self.closing_error: Exception | None = None
        self.keeper = FakeKeeper()
        self._coming = [] if isinstance(output, Labels) else list(output)
        self._restored = 0

    def item(self, item: Any) -> Sequence[Any]:
        """Restore the item's texts."""
        if self.error is not None:
            raise self.error
        if self._coming:
            self.output_labels = self.output_labels.join(self._coming.pop(0))
        return (item.edit([self._restore(slot.text) for slot in item.slots]),) if item.slots else (item,)

    def finish(self) -> Sequence[Any]:
        """Return nothing, because the exchange holds no text back."""
        return ()

    def result(self, result: Any) -> Any:
        """Restore the result's texts."""
        if self.error is not None:
            raise self.error
        while self._coming:
            self.output_labels = self.output_labels.join(self._coming.pop(0))
        if not is_carrier(result):
            return result
        texts = {index: self._restore(one.text) for index, one in enumerate(result.content.segments())}
        return result.with_content(result.content.edit(texts))

    def closing_facts(self) -> Mapping[str, Fact]:
        """Return the number of restored values."""
        if self.closing_error is not None:
            raise self.closing_error
        return {"restored": self._restored} if self._restored else {}

    def _masked(self, payload: Carrier, labelled: Labelled, mask: frozenset[str]) -> Carrier:
        segments = payload.content.segments()
        texts: dict[int, str] = {}
        for found in sorted(labelled.findings, key=lambda found: (found.segment, -found.start)):
            if found.category in mask:
                text = texts.get(found.segment, segments[found.segment].text)
                token = f"<{found.category}-{len(self._originals) + 1}>"
                self._originals[token] = text[found.start : found.end]
                texts[found.segment] = text[: found.start] + token + text[found.end :]
        return payload.with_content(payload.content.edit(texts))

    def _restore(self, text: str) -> str:
        for token, original in self._originals.items():
            if token in text:
                self._restored += 1
                text = text.replace(token, original)
        return text


@dataclass(slots=True)
class FakeTransformer:
    """Makes a `FakeExchange` for each action. Exchanges of plans are transparent.

    Args:
        output: own labels of the answer; a list has labels for each stream item.
        error: `transform` raises it.
        exchange_error: the exchange raises it for an item or a result.
        closing_error: the exchange raises it in `closing_facts`.
        keeper_error: the keeper of masked answers raises it.
        is_transparent: whether all exchanges are transparent.
    """

    output: Labels | Sequence[Labels] = field(default_factory=Labels)
    error: Exception | None = None
    is_transparent: bool = False
    exchange_error: Exception | None = None
    closing_error: Exception | None = None
    keeper_error: Exception | None = None
    exchanges: list[FakeExchange] = field(default_factory=list[FakeExchange])

    def transform(
        self, action: AnyAction, *, labelled: Labelled, decision: Decision, receiver: Clearance
    ) -> FakeExchange:
        """Return the exchange."""
        if self.error is not None:
            raise self.error
        exchange = FakeExchange(action.payload, labelled=labelled, mask=decision.obligations.mask, output=self.output)
        exchange.is_transparent = self.is_transparent or action.verb.effect == "plan"
        exchange.error, exchange.closing_error = self.exchange_error, self.closing_error
        exchange.keeper.error = self.keeper_error
        self.exchanges.append(exchange)
        return exchange

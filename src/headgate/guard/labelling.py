"""The labeller: the floors of source, use case and caller, raised by the findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from headgate.guard.answers import AnswerMemory
from headgate.guard.engine import Engine
from headgate.kernel.action import Action, is_carrier
from headgate.kernel.content import Content, Labelled, Segment
from headgate.kernel.hashing import interned
from headgate.kernel.identity import TenantId, UseCase
from headgate.kernel.labels import BOTTOM, UNSCANNED, Integrity, Labels, pseudonymous

_UNSCANNED = frozenset({UNSCANNED})


@dataclass(frozen=True, slots=True)
class ScannedContent(Labelled):
    """A labelling with a reference to its content, so that only the same content inherits it."""

    content: Content | None = None


class _Begun(NamedTuple):
    """A labelling, and whether it is complete."""

    labelled: ScannedContent
    is_whole: bool


class GuardLabeller:
    """The kernel's `Labeller`.

    Args:
        engine: scans payloads that carry content.
        answers: the cache of answers' labels, or None for no cache.
    """

    def __init__(self, *, engine: Engine, answers: AnswerMemory | None = None) -> None:
        self._engine = engine
        self._answers = answers

    def label(self, action: Action[Any, Any, Any]) -> Labelled:
        """Return the labelling; inherited from the enclosing action if its content is the same.

        Raises:
            TooLarge: the content has too many candidates to judge in bounded time.
        """
        begun = self._begun(action)
        content = begun.labelled.content
        if begun.is_whole or content is None:
            return begun.labelled
        segments = content.segments()
        findings = self._engine.scan_content(content)
        categories = frozenset(finding.category for finding in findings)
        floor = begun.labelled.floor
        if UNSCANNED in categories:
            floor = floor.with_categories(_UNSCANNED)
        labels = _tainted(begun.labelled.labels, segments).with_categories(categories)
        return ScannedContent(labels=labels, findings=findings, floor=floor, content=content)

    def glance(self, action: Action[Any, Any, Any]) -> Labelled | None:
        """Return the labelling of content that one pass shows to be clean; else None."""
        begun = self._begun(action)
        return begun.labelled if begun.is_whole else None

    def _begun(self, action: Action[Any, Any, Any]) -> _Begun:
        """Return the labelling before the scan of the single segments."""
        inherited = action.context.inherited
        content = action.payload.content if is_carrier(action.payload) else None
        if isinstance(inherited, ScannedContent) and inherited.content is content:
            return _Begun(inherited, is_whole=True)
        floor = _of_tenant(action.principal.tenant).join(action.context.use_case.floor).join(action.context.floor)
        if inherited is not None:
            # Derived content is scanned again, and its labels are at least those of its source.
            floor = floor.join(inherited.labels)
        if content is None:
            return _Begun(ScannedContent(labels=floor, floor=floor), is_whole=True)
        if content.is_opaque:
            # No masking can lower this label, because unscanned content cannot be masked.
            floor = floor.with_categories(_UNSCANNED)
        spoken = content.spoken()
        regained = self._regained(spoken, action) if spoken else BOTTOM
        floor = floor.join(self._lasting(regained))
        labelled = ScannedContent(labels=floor.join(regained), floor=floor, content=content)
        # Check both: a clean scan does not show that the content is trusted.
        is_whole = not content.may_hold_tool_text() and self._engine.is_clean(content.surface())
        return _Begun(labelled, is_whole=is_whole)

    def _regained(self, spoken: Sequence[str], action: Action[Any, Any, Any]) -> Labels:
        """Return the cached labels of the assistant's texts; other texts are untrusted."""
        if self._answers is None:
            return Labels(integrity=Integrity.UNTRUSTED)
        return self._answers.recall(spoken, use_case=action.context.use_case, caller=action.principal.id)

    def _lasting(self, regained: Labels) -> Labels:
        """Return the labels that masking cannot lower: all but the detectors' categories."""
        if not regained.categories:
            return regained
        found = self._engine.categories
        lasting = regained.categories - found - {pseudonymous(category) for category in found}
        return replace(regained, categories=lasting)


@lru_cache(maxsize=1024)
def _of_tenant(tenant: TenantId) -> Labels:
    return interned(Labels(tenant=tenant))


def _tainted(labels: Labels, segments: Sequence[Segment]) -> Labels:
    """Lower the integrity of content with tool output, because it may come from anywhere."""
    if any(segment.origin == "tool" for segment in segments):
        return replace(labels, integrity=Integrity.UNTRUSTED)
    return labels

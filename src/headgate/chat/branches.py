"""The branches of a conversation: its turns form a tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from headgate.chat.store import TurnRow
from headgate.kernel.errors import NotFound


def settled(turns: Sequence[TurnRow], *, model_of: Callable[[TurnRow], str]) -> list[TurnRow]:
    """Return the turns, oldest first, without failed answers whose model answered the same question later.

    What followed a failed answer follows the later one. A failed answer stays beside those of other models: it may
    wait for an approval.
    """
    tried = {turn.parent for turn in turns if turn.state == "failed"}
    places = {turn.id: (turn.parent, model_of(turn)) for turn in turns if turn.parent in tried}
    latest = {place: turn_id for turn_id, place in places.items()}
    instead = {turn.id: latest[places[turn.id]] for turn in turns if turn.state == "failed"}
    return [
        replace(turn, parent=instead.get(turn.parent or "", turn.parent))
        for turn in turns
        if instead.get(turn.id, turn.id) == turn.id
    ]


def branch_to(turns: Sequence[TurnRow], last: str, *, param: str) -> list[TurnRow]:
    """Return the turns from the first one to `last`.

    Raises:
        NotFound: the conversation has no such turn; `param` is the field that names it.
    """
    by_id = {turn.id: turn for turn in turns}
    if last not in by_id:
        raise NotFound("the conversation has no such message", param=param)
    branch: list[TurnRow] = []
    at: str | None = last
    while at is not None:
        branch.append(by_id[at])
        at = by_id[at].parent
    return branch[::-1]

"""Kept answers at the data plane: the paths that read and delete them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from headgate.admin.background import Background, BackgroundAnswer
from headgate.admin.commands import Command, CommandVerb, Facts, digest_of
from headgate.admin.threads import ANSWER_DELETE, ANSWER_READ, Threads
from headgate.admin.turns import MAX_ID_CHARS, Turns
from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.errors import HeadgateError, Invalid, NotFound, Unavailable
from headgate.kernel.identity import Principal
from headgate.kernel.pipeline import Pipeline
from headgate.server.api.errors import MethodNotAllowed
from headgate.server.identity import Caller
from headgate.wire.dialects import Dialects
from headgate.wire.stateful import Asked, ReadableDialect


class Told(NamedTuple):
    """The body of an answer to a request for something kept, with the id of its record.

    Args:
        after: the number of the event after which a stream goes on instead, or None.
    """

    body: bytes
    record: str
    after: int | None = None


class KeptAnswers:
    """Reads and deletes kept answers."""

    def __init__(
        self, pipeline: Pipeline, threads: Threads, turns: Turns, *, background: Background, dialects: Dialects
    ) -> None:
        self._pipeline = pipeline
        self._threads = threads
        self._turns = turns
        self._background = background
        self._readable = dialects.readable

    def asked(self, path: str) -> tuple[ReadableDialect, Asked] | None:
        """Return the dialect and the answer of a path below those of kept answers, or None."""
        for dialect in self._readable.values():
            if path.startswith(dialect.kept_at):
                answer, _, part = path.removeprefix(dialect.kept_at).partition("/")
                return (dialect, Asked(answer, part)) if 0 < len(answer) <= MAX_ID_CHARS else None
        return None

    async def read(
        self, dialect: ReadableDialect, asked: Asked, *, method: str, query: Mapping[str, str], caller: Caller
    ) -> Told:
        """Read or delete a kept answer, as an action of its caller.

        Raises:
            NotFound: this caller has no such answer.
            Denied: policy does not allow it.
        """
        allowed = {"": ("DELETE", "GET"), "cancel": ("POST",)}.get(asked.part, ("GET",))
        if method not in allowed:
            raise MethodNotAllowed(method, allowed=allowed)
        principal = caller.principal
        missing = NotFound(f"Response with id {asked.answer!r} not found.")

        async def delete(_: Facts) -> bytes:
            was_written = await self._background.forget(asked.answer, principal=principal)
            if not await self._threads.forget(asked.answer, principal=principal) and not was_written:
                raise missing
            return dialect.forgotten(asked.answer)

        after = dialect.starting_after(query) if method == "GET" and not asked.part else None

        async def read(_: Facts) -> bytes:
            if (found := await self._found_in_background(asked, method, principal)) is not None:
                if after is not None:
                    return b""
                if found.state != "completed":
                    return shown(dialect, found)
            thread = await self._turns.thread(asked.answer, principal)
            if not thread:
                raise missing
            if method == "POST" and found is None:
                raise Invalid("Cannot cancel a synchronous response.")
            if after is not None:
                raise Invalid("stream: only an answer in the background is streamed; leave it out", param="stream")
            if method == "POST":
                return dialect.read_kept(Asked(asked.answer), [one.exchange for one in thread], {})
            return dialect.read_kept(asked, [one.exchange for one in thread], query)

        verb, do = (ANSWER_DELETE, delete) if method == "DELETE" else (ANSWER_READ, read)
        command = Command({}, digest_of(asked.answer, asked.part, dict(query)), do)
        told = await self._act(verb, Resource("answer", asked.answer), command, caller)
        return told._replace(after=after)

    async def _act(self, verb: CommandVerb, resource: Resource, command: Command, caller: Caller) -> Told:
        context = Context(use_case=caller.use_case, floor=caller.floor)
        done = await self._pipeline.run(Action(verb, caller.principal, resource, command, context))
        return Told(done.result, done.run.record_id)

    async def _found_in_background(self, asked: Asked, method: str, principal: Principal) -> BackgroundAnswer | None:
        """Return an answer in the background that may flow to its principal; cancel it if that is asked."""
        if asked.part not in ("", "cancel"):
            return None
        found = await self._background.find(asked.answer, principal=principal)
        if found is None or not found.labels.flows_to(principal.clearance):
            return None
        if method == "POST":
            await self._background.cancel(asked.answer, principal=principal)
            found = await self._background.find(asked.answer, principal=principal)
        return found


def lost() -> HeadgateError:
    """Return the error of an answer whose worker is gone."""
    return Unavailable("the worker that wrote this answer is gone; ask again")


def shown(dialect: ReadableDialect, found: BackgroundAnswer) -> bytes:
    """Return an answer in the background that is not complete."""
    if found.is_lost:
        return dialect.with_status(found.body, "failed", error=lost())
    return found.body if found.state == "failed" else dialect.with_status(found.body, found.state)

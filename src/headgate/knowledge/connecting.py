"""Connectors: the installed kinds of sources, and the check of a source's entry."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from headgate.kernel.connector import Connector, OpenSource, Outside
from headgate.kernel.errors import HeadgateError, Invalid
from headgate.kernel.extensions import load
from headgate.knowledge.specs import Source, refuse_readers
from headgate.substrate.misfits import misfit_of


@dataclass(frozen=True, slots=True)
class Connectors:
    """The installed connectors by name."""

    found: Mapping[str, Connector]

    @classmethod
    def installed(cls) -> Connectors:
        """Load the installed connectors."""
        return cls({name: cast("Connector", one) for name, one in load("connectors").items()})

    def of(self, source: Source) -> Connector:
        """Return the connector of a source.

        Raises:
            Invalid: there is none of its kind; the message has the nearest one.
        """
        found = self.found.get(source.kind)
        if found is None:
            raise Invalid(
                f"there is no kind of source {source.kind!r}{_nearest(source.kind, self.found)}", param="kind"
            )
        return found

    def options(self, source: Source) -> Any:
        """Return the options of a source in its connector's type.

        Raises:
            Invalid: an option is unknown, missing or of another form; `param` is the option.
        """
        connector = self.of(source)
        known = {field.encode_name: field for field in msgspec.structs.fields(connector.options)}
        for name in source.options:
            if name not in known:
                hint = _nearest(name, known)
                raise Invalid(f"sources of kind {source.kind} have no option {name!r}{hint}", param=f"options.{name}")
        for name, field in known.items():
            if field.required and name not in source.options:
                raise Invalid(f"sources of kind {source.kind} need the option {name}", param=f"options.{name}")
        try:
            return msgspec.convert(source.options, connector.options)
        except msgspec.ValidationError as error:
            misfit = misfit_of(error, connector.options)
            raise Invalid(misfit.words, param=f"options{misfit.path}") from error

    def open(self, source: Source, outside: Outside) -> OpenSource:
        """Return the reading end of a source.

        Raises:
            Invalid: an option is wrong; `param` is the option.
        """
        options = self.options(source)
        try:
            return self.of(source).open(options, outside)
        except HeadgateError as error:
            raise Invalid(error.message, param=f"options.{error.param}" if error.param else "options") from error

    def refuse(self, source: Source, outside: Outside | None = None) -> None:
        """Raise Invalid if a source is malformed; `param` is the field.

        Args:
            outside: None away from Headgate's machine, where its folders cannot be checked.
        """
        refuse_readers(source.readers, param="readers")
        if outside is None:
            self.options(source)
        else:
            self.open(source, outside)


def refuse_source(source: Source) -> None:
    """Raise Invalid if a source is malformed, away from Headgate's machine; `param` is the field."""
    Connectors.installed().refuse(source)


def _nearest(name: str, known: Iterable[str]) -> str:
    every = sorted(known)
    near = difflib.get_close_matches(name, every, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(every)}"

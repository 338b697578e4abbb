"""The reference of all commands, generated from their declarations: `docs/commands.md` and the manual page."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

import click

from headgate import __version__
from headgate.admin.exit_codes import MEANINGS

_VARIABLES = {
    "HEADGATE_DATA": "The data folder.",
    "HEADGATE_PORT": "The port of the Headgate on this machine.",
    "HEADGATE_API_KEY": "The key for the admin API. Default: the one in the data folder.",
    "HEADGATE_GRANT": "The id of the approval for this command.",
    "NO_COLOR": "Any value switches off colours.",
}


@dataclass(frozen=True, slots=True)
class Option:
    """An option as it is typed, such as `--limit INTEGER`, and its help."""

    usage: str
    help: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: its name with those of its groups, its usage, and its help in paragraphs."""

    name: str
    usage: str
    paragraphs: tuple[str, ...]
    options: tuple[Option, ...]


def entries(command: click.Command, name: str = "headgate") -> Iterator[Entry]:
    """Yield the command and its subcommands, sorted by name."""
    context = click.Context(command, info_name=name)
    pieces = command.collect_usage_pieces(context)
    yield Entry(name, " ".join((name, *pieces)), _paragraphs(command.help or ""), tuple(_options(command, context)))
    if isinstance(command, click.Group):
        for sub in sorted(command.list_commands(context)):
            found = command.get_command(context, sub)
            assert found is not None
            yield from entries(found, f"{name} {sub}")


def markdown(root: click.Command) -> str:
    """Return the page of the documentation."""
    lines = [
        "# Commands",
        "",
        "Generated from the commands by `headgate manual --markdown`; a test compares them.",
        "`headgate manual` prints the same as a manual page.",
        "",
        "## Exit codes",
        "",
        "| code | meaning |",
        "| --- | --- |",
        *(f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()),
        "",
        "## Environment",
        "",
        "| variable | meaning |",
        "| --- | --- |",
        *(f"| `{name}` | {text} |" for name, text in _VARIABLES.items()),
        "",
    ]
    for entry in entries(root):
        lines += [f"## {entry.name}", "", f"    {entry.usage}", ""]
        for paragraph in entry.paragraphs:
            lines += [paragraph, ""]
        if entry.options:
            lines += ["| option | meaning |", "| --- | --- |"]
            lines += [f"| `{option.usage}` | {option.help}".replace("\n", " ") + " |" for option in entry.options]
            lines.append("")
    return "\n".join(lines)


def troff(command: click.Command) -> str:
    """Return the manual page. Source: man-pages(7), groff_man(7)."""
    root, *rest = entries(command)
    lines = [
        f'.TH HEADGATE 1 "" "Headgate {__version__}" "User Commands"',
        *(".SH NAME", r"headgate \- the gateway of an organisation to language models"),
        *(".SH SYNOPSIS", f".B {_escaped(root.usage)}"),
        ".SH DESCRIPTION",
        *_troff_paragraphs(root.paragraphs),
        ".SH COMMANDS",
    ]
    for entry in rest:
        lines += [f".SS {_escaped(entry.usage)}", *_troff_paragraphs(entry.paragraphs)]
        for option in entry.options:
            lines += [".TP", f".B {_escaped(option.usage)}", _escaped(option.help)]
    lines.append(".SH EXIT STATUS")
    for code, meaning in MEANINGS.items():
        lines += [".TP", f".B {int(code)}", _escaped(meaning)]
    lines.append(".SH ENVIRONMENT")
    for name, text in _VARIABLES.items():
        lines += [".TP", f".B {name}", _escaped(text)]
    return "\n".join(lines) + "\n"


def _options(command: click.Command, context: click.Context) -> Iterator[Option]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None and "--help" not in parameter.opts:
            yield Option(*record)


def _paragraphs(text: str) -> tuple[str, ...]:
    """Return the paragraphs of a help text; examples keep their indentation."""
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(text).replace("\b", ""))
    return tuple(block if block.startswith(" ") else " ".join(block.split()) for block in blocks if block.strip())


def _troff_paragraphs(paragraphs: tuple[str, ...]) -> Iterator[str]:
    for paragraph in paragraphs:
        if paragraph.startswith(" "):
            yield from (".PP", ".EX", *(_escaped(line) for line in paragraph.splitlines()), ".EE")
        else:
            yield from (".PP", _escaped(paragraph))


def _escaped(text: str) -> str:
    """Escape text for troff, where a leading dot or quote begins a request."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text

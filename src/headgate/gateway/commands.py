"""`headgate models`: list, test and add models."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from headgate.admin.client import Client, client_at, url_option
from headgate.admin.exit_codes import ExitCode
from headgate.admin.money import money_words
from headgate.admin.printing import as_json_option, plural, print_rows
from headgate.gateway import pull_commands
from headgate.gateway.adding import Wanted, ask, parse_options, write_into
from headgate.gateway.model_words import health_words
from headgate.gateway.outcome_commands import calibrate
from headgate.gateway.specs import CATEGORIES
from headgate.kernel.errors import Invalid

_LEVELS = ("public", "internal", "confidential", "restricted")


@click.group(invoke_without_command=True)
@url_option
@as_json_option
@click.pass_context
def models(context: click.Context, url: str | None, as_json: bool) -> None:
    """List the models and the deployments behind them, test them, and add new ones."""
    if context.invoked_subcommand is None:
        _print_models(client_at(url), as_json=as_json)


@models.command("list")
@url_option
@as_json_option
def list_models(url: str | None, as_json: bool) -> None:
    """List the models and the deployments behind them."""
    _print_models(client_at(url), as_json=as_json)


@models.command()
@click.argument("name", metavar="ALIAS|DEPLOYMENT")
@click.option("--model", help="The name to ask for, if the deployment serves every name.")
@url_option
@as_json_option
@click.pass_context
def test(context: click.Context, name: str, model: str | None, url: str | None, as_json: bool) -> None:
    """Send one small call to a deployment, or to each deployment of an alias.

    The calls are real and may cost a fraction of a cent. Exits with 1 if one of them fails.
    """
    client = client_at(url)
    aliases = {one["id"] for one in client.call("GET", "/api/models")["models"]}
    subject = "alias" if name in aliases else "deployment"
    trials = client.call("POST", "/api/models/test", {subject: name, "model": model})["trials"]
    if as_json:
        print_rows(trials, (), as_json=True)
    else:
        for trial in trials:
            print_trial(trial)
    if not all(trial["worked"] for trial in trials):
        context.exit(ExitCode.FAULTY)


@models.command()
@click.argument("name", required=False)
@click.option("--provider", help="The provider's name, such as openai, bedrock or ollama.")
@click.option("--model", help="The provider's name of the model.")
@click.option("--base-url", help="The address. Default: the provider's own; --ours needs it.")
@click.option("--key", help="Reference to the credential, env:NAME or file:PATH; never the credential itself.")
@click.option(
    "--option", "given_options", multiple=True, metavar="NAME=VALUE", help="An option of the provider. Repeatable."
)
@click.option("--network", help="The network for its connections.")
@click.option(
    "--level", type=click.Choice(_LEVELS), default="internal", show_default=True, help="Data up to this level."
)
@click.option(
    "--ours",
    is_flag=True,
    help="It runs on the organisation's own machines, and may receive personal, health and payment data as they are.",
)
@click.option("--price", metavar="IN,OUT", help="Money for a million tokens, such as 0.25,2. Default: unknown.")
@click.option("--currency", default="USD", show_default=True)
@click.option(
    "--alias", "aliases", multiple=True, help="Also make this alias, or put the model last in it. Repeatable."
)
@click.option("--test/--no-test", "is_tested", default=True, help="Test before adding, and add only if it answers.")
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the entries at the end of this headgate.toml, and apply nothing.",
)
@url_option
@click.pass_context
def add(
    context: click.Context,
    *,
    level: str,
    ours: bool,
    price: str | None,
    currency: str,
    is_tested: bool,
    path: Path | None,
    url: str | None,
    **given: Any,
) -> None:
    """Add the deployment NAME of a model, and aliases that lead to it.

    Without a name, a provider or a model, the command asks for what is missing. It looks for model servers on
    Headgate's machine, and lists the models that a provider offers.
    """
    client = client_at(url)
    wanted = Wanted(**given)
    wanted.options = parse_options(wanted.given_options)
    if not wanted.is_complete:
        ask(client, wanted)
    clearance: dict[str, Any] = {"level": level}
    if ours:
        clearance |= {"custody": "organisation", "categories": list(CATEGORIES)}
    entry: dict[str, Any] = {**wanted.entry(), "clearance": clearance}
    if price is not None:
        entry["price"] = _price(price, currency)
    if is_tested:
        (trial,) = client.call("POST", "/api/models/test", {"entry": entry})["trials"]
        print_trial(trial, is_error=not trial["worked"])
        if not trial["worked"]:
            click.echo("Nothing was added. Correct it, or add it anyway with --no-test.", err=True)
            context.exit(ExitCode.FAULTY)
    place = _path("deployment", entry["id"])
    if path is not None:
        client.call("PUT", f"{place}?dry_run=true", {"entry": entry})
        write_into(path, entry, wanted.aliases)
        click.echo(f"wrote the deployment {entry['id']} into {path}; `headgate apply {path}` makes it")
        return
    client.call("PUT", place, {"entry": entry})
    click.echo(f"added the deployment {entry['id']}")
    for alias in wanted.aliases:
        deployments = _put_last(client, alias, entry["id"])
        click.echo(f"the alias {alias} leads to {', '.join(deployments)}")


def print_trial(trial: dict[str, Any], *, is_error: bool = False) -> None:
    """Print the outcome of one test, on standard error if it is why a command fails."""
    if not trial["worked"]:
        click.echo(f"✕ {trial['deployment']}: {trial['why']} {trial['advice']}", err=is_error)
        click.echo(f"  record {trial['record']}", err=is_error)
        return
    tokens = f"{plural(trial['input_tokens'] or 0, 'token')} in, {trial['output_tokens'] or 0} out"
    click.echo(f"✓ {trial['deployment']} answers after {trial['took_us'] / 1000:,.0f} ms: {tokens}, {_cost(trial)}")
    click.echo(f"  record {trial['record']}")


def _print_models(client: Client, *, as_json: bool) -> None:
    answer = client.call("GET", "/api/models")
    if as_json:
        print_rows(answer["models"], (), as_json=True)
        return
    rows = [
        {
            "id": model["id"],
            "operation": model["operation"],
            "deployments": [one["id"] for one in model["deployments"]],
            "health": [health_words(one["health"]) for one in model["deployments"]],
            "costs": "; ".join(dict.fromkeys(one["costs"] for one in model["deployments"])),
            "use cases": model["use_cases"],
        }
        for model in answer["models"]
    ]
    print_rows(rows, ("id", "operation", "deployments", "health", "use cases", "costs"), as_json=False)
    deployments = [one for model in answer["models"] for one in model["deployments"]] + answer["loose"]
    for name, warning in {one["id"]: one["health"]["warning"] for one in deployments}.items():
        if warning:
            click.echo(f"warning: deployment {name}: {warning}", err=True)


def _cost(trial: dict[str, Any]) -> str:
    micros, currency = trial["cost_micros"], trial["currency"]
    return "price unknown" if micros is None or currency is None else money_words(micros, currency)


def _price(text: str, currency: str) -> dict[str, str]:
    """Return the price of `IN,OUT`; the API checks the numbers."""
    sides = [one.strip() for one in text.split(",")]
    if len(sides) != 2 or not all(sides):
        raise Invalid(f"{text!r} is not a price; write IN,OUT for a million tokens, such as 0.25,2", param="--price")
    return {"currency": currency, "input": sides[0], "output": sides[1]}


def _put_last(client: Client, alias: str, deployment: str) -> list[str]:
    """Put a deployment last in an alias, or make the alias; return the alias's deployments."""
    stored = {one["id"]: one for one in client.call("GET", "/api/entries/alias")["entries"]}
    entry = stored.get(alias, {"deployments": []})
    deployments = [*(one for one in entry["deployments"] if one != deployment), deployment]
    client.call("PUT", _path("alias", alias), {"entry": {**entry, "deployments": deployments}})
    return deployments


def _path(section: str, name: str) -> str:
    return f"/api/entries/{section}/{quote(name, safe='')}"


for _command in (calibrate, *pull_commands.COMMANDS):
    models.add_command(_command)

COMMANDS = (models,)

"""`headgate up`: starts and supervises all processes, and stops them on Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import click

from headgate import __version__
from headgate.admin.client import Client, settings_from
from headgate.admin.exit_codes import ExitCode, exit_code
from headgate.admin.printing import plural
from headgate.cli.configuration import body_of
from headgate.cli.supervisor import LivenessWatch, ProcessPlan, SupervisedProcess
from headgate.features import migrations
from headgate.kernel.errors import Denied, HeadgateError, Invalid, Unavailable
from headgate.server.setup import first_key, sign_in_link
from headgate.substrate import running_url
from headgate.substrate.database_address import DatabaseAddress
from headgate.substrate.migrate import migrate
from headgate.substrate.postgres import EmbeddedPostgres
from headgate.substrate.roles import give_logins
from headgate.substrate.settings import Settings, check

_MODEL_MISSING = 3
_READY_S = 120.0
_POSTGRES_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Data folder.")
@click.option("--port", type=click.IntRange(1, 65535), help="TCP port.")
@click.option("--host", help="Address to listen on. Any address but loopback needs TLS or HEADGATE_TRUSTED_PROXY.")
@click.option("--workers", type=click.IntRange(1, 256), help="Number of worker processes.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File to apply at start.",
)
@click.option("--no-model", is_flag=True, help="Do not start the embedded models.")
@click.pass_context
def up(
    context: click.Context,
    data: Path | None,
    port: int | None,
    host: str | None,
    workers: int | None,
    config: Path | None,
    no_model: bool,
) -> None:
    """Start Headgate in the foreground."""
    given = settings_from(context)
    settings = replace(
        given,
        data=(data or given.data).absolute(),
        port=port or given.port,
        host=host or given.host,
        workers=workers or given.workers,
        config=config or given.config,
    )
    check(settings)
    sys.exit(asyncio.run(Supervisor(settings, with_model=not no_model).run()))


class Supervisor:
    """Starts and stops the processes of one installation in the order of their dependencies."""

    def __init__(self, settings: Settings, *, with_model: bool) -> None:
        self._settings = settings
        self._with_model = with_model
        self._started_s = time.monotonic()
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Run until a signal asks to stop. Return the exit code of the process."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        code = ExitCode.DONE
        try:
            with self._listening() as listener:
                async with self._database(), asyncio.TaskGroup() as group:
                    children = self._children(listener)
                    tasks = [group.create_task(child.run()) for child in children]
                    watch = group.create_task(LivenessWatch(children).run())
                    try:
                        await self._until_ready(children)
                        with running_url.leaving(self._settings.address_file, self._settings.base_url):
                            if not self._stop.is_set():
                                await self._greet(children)
                            await self._stop.wait()
                        self._say("stopping")
                    finally:
                        watch.cancel()
                        await _stop_in_order(tasks, workers=self._settings.workers)
        except* HeadgateError as errors:
            for error in _flat(errors):
                click.echo(f"headgate: {error}", err=True)
                code = exit_code(error)
        return code

    @contextlib.contextmanager
    def _listening(self) -> Generator[socket.socket]:
        """Open the port first, so that a port in use fails at once."""
        address = (self._settings.host, self._settings.port)
        family = socket.AF_INET6 if ":" in self._settings.host else socket.AF_INET
        try:
            listener = socket.create_server(address, family=family, backlog=2048)
        except OSError as error:
            raise Invalid(
                f"cannot open port {address[1]} on {address[0]} ({os.strerror(error.errno or 0)});"
                " choose another port with --port or HEADGATE_PORT",
                param="--port",
            ) from error
        with listener:
            yield listener

    @asynccontextmanager
    async def _database(self) -> AsyncGenerator[None]:
        """Migrate and keep the embedded database running, or migrate the external one."""
        settings = self._settings
        try:
            settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Invalid(
                f"the data folder {settings.data} cannot be made ({error.strerror}); choose another with --data",
                param="--data",
            ) from error
        if settings.database_url is not None:
            await self._prepare(DatabaseAddress.parse(settings.database_url), is_embedded=False)
            yield
            return
        postgres = EmbeddedPostgres(settings.data, on_progress=self._say)
        address = await postgres.start()
        try:
            await self._prepare(address, is_embedded=True)
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(self._keep(postgres))
                yield
                keeper.cancel()
        finally:
            await postgres.stop()

    async def _keep(self, postgres: EmbeddedPostgres) -> None:
        """Restart PostgreSQL whenever it ends. Workers meanwhile serve until their journals are full."""
        while True:
            code = await postgres.wait()
            self._say(f"PostgreSQL ended with {code}; starting it again")
            for pause_s in chain(_POSTGRES_PAUSES_S, repeat(_POSTGRES_PAUSES_S[-1])):
                try:
                    await postgres.start()
                    break
                except (HeadgateError, OSError) as error:
                    self._say(f"{error}; trying again")
                    await asyncio.sleep(pause_s)

    async def _prepare(self, address: DatabaseAddress, *, is_embedded: bool) -> None:
        applied = await migrate(address.conninfo, series=migrations())
        if applied:
            self._say(f"the database was brought up to date with {plural(len(applied), 'migration')}")
        if is_embedded:
            await give_logins(address, self._settings.data / "secrets")
        try:
            await first_key(self._settings)
        except (Denied, Unavailable) as error:
            # A policy may refuse this. Administrators have other keys, and `headgate recover` makes a new one.
            self._say(f"could not make the first key: {error.message}")

    def _children(self, listener: socket.socket) -> list[SupervisedProcess]:
        data = ("--data", str(self._settings.data))
        model_port = _free_port() if self._with_model else None
        plans: list[ProcessPlan] = []
        if model_port is not None:
            threads = self._settings.model_threads or max(1, (os.cpu_count() or 2) - 1)
            plans.append(
                ProcessPlan(
                    "the model process",
                    (
                        *("-m", "headgate.gateway.embedded", "--port", str(model_port)),
                        *("--threads", str(threads), "--models", str(self._settings.data / "models")),
                    ),
                    ready_line="http://",
                    final_codes=frozenset({_MODEL_MISSING}),
                )
            )
        bookkeeping = ("-m", "headgate.cli.bookkeeping")
        plans.append(ProcessPlan("the shipper", (*bookkeeping, "shipper", *data)))
        plans.append(ProcessPlan("the sequencer", (*bookkeeping, "sequencer", *data)))
        model = ("--model-port", str(model_port)) if model_port is not None else ()
        for number in range(self._settings.workers):
            plans.append(
                ProcessPlan(
                    f"worker {number}",
                    (
                        *("-m", "headgate.cli.worker", *data, "--fd", str(listener.fileno())),
                        *("--port", str(self._settings.port), "--host", self._settings.host, *model),
                        *("--number", str(number)),
                    ),
                    pass_fds=(listener.fileno(),),
                )
            )
        return [SupervisedProcess(plan, on_event=self._say) for plan in plans]

    async def _until_ready(self, children: list[SupervisedProcess]) -> None:
        for child in children:
            async with asyncio.TaskGroup() as group:
                waiting, stopping = group.create_task(child.ready.wait()), group.create_task(self._stop.wait())
                done, pending = await asyncio.wait(
                    {waiting, stopping}, timeout=_READY_S, return_when=asyncio.FIRST_COMPLETED
                )
                for one in pending:
                    one.cancel()
            if not done:
                raise Unavailable(f"{child.plan.name} did not start within {_READY_S:.0f} s; see its log for the cause")
            if stopping in done:
                return
            if child.final_code is not None:
                self._say(f"{child.plan.name} did not start; Headgate runs without it")

    async def _greet(self, children: list[SupervisedProcess]) -> None:
        settings = self._settings
        if settings.config is not None:
            await asyncio.to_thread(self._apply, settings.config)
        try:
            link = f"{await sign_in_link(settings)}  (works once, within ten minutes; `headgate sign-in` makes another)"
        except HeadgateError as error:
            link = f"could not make a link: {error.message} (`headgate recover` restores access)"
        took_s = time.monotonic() - self._started_s
        click.echo(f"Console        {settings.base_url}/")
        click.echo(f"Sign in        {link}")
        click.echo(f"First API key  {settings.data / 'admin.key'}")
        click.echo(f"OpenAI wire    {settings.base_url}/v1")
        click.echo(f"Anthropic wire {settings.base_url}")
        click.echo(f"Headgate is ready: version {__version__}, after {took_s:.1f} s; Ctrl-C stops it")
        sys.stdout.flush()

    def _apply(self, file: Path) -> None:
        answer = Client.of(self._settings, url=self._settings.base_url).call("POST", "/api/config/apply", body_of(file))
        self._say(f"{file}: {plural(len(answer['changes']), 'change')} applied")
        for warning in answer["warnings"]:
            self._say(f"{file}: warning: {warning}")

    def _say(self, text: str) -> None:
        click.echo(f"[{time.monotonic() - self._started_s:6.1f} s] {text}", err=True)


async def _stop_in_order(tasks: list[asyncio.Task[None]], *, workers: int) -> None:
    """Stop the workers first, so that the shipper still ships their last records."""
    for group in (tasks[-workers:], tasks[:-workers]):
        for task in group:
            task.cancel()
        await asyncio.gather(*group, return_exceptions=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _flat(group: BaseExceptionGroup[HeadgateError]) -> list[HeadgateError]:
    found: list[HeadgateError] = []
    for error in group.exceptions:
        found += _flat(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found

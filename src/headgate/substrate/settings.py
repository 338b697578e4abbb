"""Process settings from environment variables. `headgate.toml` has the configuration of policy and models."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, get_args

from headgate.kernel.errors import Invalid
from headgate.substrate import running_url

MetricsAccess = Literal["open", "loopback", "key"]
"""Access to `/metrics`: everybody; programs on this machine and holders of keys; or holders of keys only."""

LogLevel = Literal["debug", "info", "warning", "error"]
"""The least level of log lines that are written."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@*,]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Settings:
    """One installation's settings. All have working defaults.

    Args:
        data: data folder; `HEADGATE_DATA`.
        host: address to listen on; others than loopback need `tls_certificate` or `trusted_proxy`; `HEADGATE_HOST`.
        port: TCP port; `HEADGATE_PORT`.
        workers: number of worker processes; `HEADGATE_WORKERS`.
        database_url: a PostgreSQL server, or None for the embedded one; `HEADGATE_DATABASE_URL`.
        config: configuration file that `headgate up` applies at start, or None; `HEADGATE_CONFIG`.
        hosts: additional host names in `Host` and `Origin`; `HEADGATE_HOSTS`, comma-separated.
        origins: other web origins that may call models; `HEADGATE_ORIGINS`, comma-separated.
        metrics: access to `/metrics`; `HEADGATE_METRICS`.
        trusted_proxy: a proxy in front terminates TLS; `HEADGATE_TRUSTED_PROXY` (`1`).
        tls_certificate: PEM file with the certificate chain; `HEADGATE_TLS_CERTIFICATE`.
        tls_key: PEM file with its key; `HEADGATE_TLS_KEY`.
        model_threads: threads of the embedded model process, 0 for cores − 1; `HEADGATE_MODEL_THREADS`.
        journal_backlog_mib: limit of unshipped records, in MiB; `HEADGATE_JOURNAL_BACKLOG_MIB`.
        content_days: retention of the content of records, in days, or 0 for ever; `HEADGATE_CONTENT_DAYS`.
        invitation_hours: validity of a sign-in link for somebody else, in hours; `HEADGATE_INVITATION_HOURS`.
        session_idle_hours: end of a session that nobody uses, in hours; `HEADGATE_SESSION_IDLE_HOURS`.
        answers_days: days for which answers are kept that programs may continue; `HEADGATE_ANSWERS_DAYS`.
        files_days: days for which uploaded files, batches and their results are kept; `HEADGATE_FILES_DAYS`.
        folders: folders whose files sources may read; empty for `documents` in the data folder; `HEADGATE_FOLDERS`,
            colon-separated.
        session_hours: end of any session, in hours; `HEADGATE_SESSION_HOURS`.
        unread_s: timeout in seconds for a client that does not read its response; `HEADGATE_UNREAD_S`.
        log_level: least level of log lines; `HEADGATE_LOG_LEVEL`.
        otlp_endpoint: URL of the OpenTelemetry collector, or None; `OTEL_EXPORTER_OTLP_ENDPOINT`.
    """

    data: Path = field(default_factory=lambda: Path(".headgate"))
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    database_url: str | None = field(default=None, repr=False)
    config: Path | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    metrics: MetricsAccess = "loopback"
    trusted_proxy: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    model_threads: int = 0
    journal_backlog_mib: int = 1024
    content_days: int = 0
    invitation_hours: int = 168
    session_idle_hours: int = 72
    session_hours: int = 336
    answers_days: int = 30
    files_days: int = 30
    folders: tuple[Path, ...] = ()
    unread_s: int = 60
    log_level: LogLevel = "info"
    otlp_endpoint: str | None = None

    @property
    def secrets_folder(self) -> Path:
        """Folder of the installation's own secrets. Database backups do not include it."""
        return self.data / "secrets"

    @property
    def document_folders(self) -> tuple[Path, ...]:
        """The folders whose files sources may read."""
        return self.folders or (self.data / "documents",)

    @property
    def metrics_folder(self) -> Path:
        """Folder of the workers' metrics."""
        return self.data / "metrics"

    @property
    def journal_folder(self) -> Path:
        """Folder of the workers' journals."""
        return self.data / "journal"

    @property
    def ledger_folder(self) -> Path:
        """Folder of the logs."""
        return self.data / "ledger"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the port."""
        return self.host in ("127.0.0.1", "::1", "localhost")

    @property
    def base_url(self) -> str:
        """The URL for a browser on this machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "127.0.0.1") else self.host  # noqa: S104 - only compared
        return f"{'https' if self.tls_certificate else 'http'}://{host}:{self.port}"

    @property
    def address_file(self) -> Path:
        """The file in which a running Headgate leaves its URL for commands on this machine."""
        return self.data / "address"

    @property
    def client_url(self) -> str:
        """The URL for commands: that of the running Headgate of the data folder, unless these settings name one."""
        usual = Settings()
        if (self.host, self.port, self.tls_certificate) == (usual.host, usual.port, usual.tls_certificate):
            return running_url.read(self.address_file) or self.base_url
        return self.base_url


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment.

    Raises:
        Invalid: a value is malformed; `param` names the variable.
    """
    given = os.environ if environment is None else environment

    def text(name: str) -> str | None:
        return given.get(name, "").strip() or None

    def path(name: str) -> Path | None:
        value = text(name)
        return Path(value) if value else None

    def names(name: str) -> tuple[str, ...]:
        return tuple(one.strip() for one in (text(name) or "").split(",") if one.strip())

    def paths(name: str) -> tuple[Path, ...]:
        return tuple(Path(one.strip()) for one in (text(name) or "").split(":") if one.strip())

    def hours(name: str, default: int) -> int:
        return _integer(text(name), name, default=default, least=1, most=8_760)

    settings = Settings(
        data=path("HEADGATE_DATA") or Path(".headgate"),
        host=text("HEADGATE_HOST") or "127.0.0.1",
        port=_integer(text("HEADGATE_PORT"), "HEADGATE_PORT", default=8080, least=1, most=65535),
        workers=_integer(text("HEADGATE_WORKERS"), "HEADGATE_WORKERS", default=1, least=1, most=256),
        database_url=text("HEADGATE_DATABASE_URL"),
        config=path("HEADGATE_CONFIG"),
        hosts=names("HEADGATE_HOSTS"),
        origins=names("HEADGATE_ORIGINS"),
        metrics=_choice(text("HEADGATE_METRICS"), "HEADGATE_METRICS", of=get_args(MetricsAccess), default="loopback"),
        trusted_proxy=text("HEADGATE_TRUSTED_PROXY") in ("1", "true", "yes"),
        tls_certificate=path("HEADGATE_TLS_CERTIFICATE"),
        tls_key=path("HEADGATE_TLS_KEY"),
        model_threads=_integer(text("HEADGATE_MODEL_THREADS"), "HEADGATE_MODEL_THREADS", default=0, least=0, most=1024),
        journal_backlog_mib=_integer(
            text("HEADGATE_JOURNAL_BACKLOG_MIB"), "HEADGATE_JOURNAL_BACKLOG_MIB", default=1024, least=1, most=1 << 20
        ),
        content_days=_integer(text("HEADGATE_CONTENT_DAYS"), "HEADGATE_CONTENT_DAYS", default=0, least=0, most=36_500),
        invitation_hours=hours("HEADGATE_INVITATION_HOURS", default=168),
        session_idle_hours=hours("HEADGATE_SESSION_IDLE_HOURS", default=72),
        session_hours=hours("HEADGATE_SESSION_HOURS", default=336),
        answers_days=_integer(text("HEADGATE_ANSWERS_DAYS"), "HEADGATE_ANSWERS_DAYS", default=30, least=1, most=3_650),
        files_days=_integer(text("HEADGATE_FILES_DAYS"), "HEADGATE_FILES_DAYS", default=30, least=1, most=3_650),
        folders=paths("HEADGATE_FOLDERS"),
        unread_s=_integer(text("HEADGATE_UNREAD_S"), "HEADGATE_UNREAD_S", default=60, least=1, most=86_400),
        log_level=_choice(text("HEADGATE_LOG_LEVEL"), "HEADGATE_LOG_LEVEL", of=get_args(LogLevel), default="info"),
        otlp_endpoint=text("OTEL_EXPORTER_OTLP_ENDPOINT"),
    )
    check(settings)
    return settings


def api_key(environment: Mapping[str, str] | None = None) -> str | None:
    """Return the command line's API key from `HEADGATE_API_KEY`, or None."""
    return (os.environ if environment is None else environment).get("HEADGATE_API_KEY") or None


def grant(environment: Mapping[str, str] | None = None) -> str | None:
    """Return the command line's approval from `HEADGATE_GRANT`, or None."""
    return (os.environ if environment is None else environment).get("HEADGATE_GRANT") or None


def no_color(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether `NO_COLOR` asks for output without colours. Source: no-color.org."""
    return bool((os.environ if environment is None else environment).get("NO_COLOR"))


def check(settings: Settings) -> None:
    """Refuse unsafe combinations of settings.

    Raises:
        Invalid: the message names the settings to change.
    """
    if not settings.is_loopback and not settings.trusted_proxy and settings.tls_certificate is None:
        raise Invalid(
            f"listening on {settings.host} needs TLS: set HEADGATE_TLS_CERTIFICATE and HEADGATE_TLS_KEY, or"
            " HEADGATE_TRUSTED_PROXY=1 behind a proxy that terminates TLS",
            param="HEADGATE_HOST",
        )
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise Invalid("set both HEADGATE_TLS_CERTIFICATE and HEADGATE_TLS_KEY, or neither", param="HEADGATE_TLS_KEY")
    for origin in settings.origins:
        if not _ORIGIN.fullmatch(origin):
            raise Invalid(
                f"HEADGATE_ORIGINS: {origin[:100]!r} is not an origin such as app://obsidian.md or https://tool.example.com",
                param="HEADGATE_ORIGINS",
            )
    for folder in settings.folders:
        if not folder.is_absolute():
            raise Invalid(f"HEADGATE_FOLDERS: {str(folder)[:100]!r} is not an absolute path", param="HEADGATE_FOLDERS")
    if any("/" in host for host in settings.hosts):
        raise Invalid("HEADGATE_HOSTS takes host names; list origins in HEADGATE_ORIGINS", param="HEADGATE_HOSTS")


C = TypeVar("C", bound=str)


def _choice(value: str | None, name: str, *, of: tuple[C, ...], default: C) -> C:
    for choice in of:
        if choice == value:
            return choice
    if value is None:
        return default
    raise Invalid(f"{name} must be one of {', '.join(of)}", param=name)


def _integer(value: str | None, name: str, *, default: int, least: int, most: int) -> int:
    if value is None:
        return default
    if not value.isascii() or not value.isdigit() or not least <= int(value[:20]) <= most:
        raise Invalid(f"{name} must be a whole number from {least} to {most}", param=name)
    return int(value)

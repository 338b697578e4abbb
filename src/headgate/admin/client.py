"""The command line's client of the admin API. It uses the first key unless the environment has another one."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from headgate.kernel.errors import HeadgateError, Invalid, Unauthenticated, Unavailable
from headgate.substrate import settings as settings_module
from headgate.substrate.settings import Settings

_TIMEOUT_S = 60.0

url_option = click.option("--url", help="URL of a running Headgate. Default: the one of the data folder.")


class ApiError(HeadgateError):
    """An error response of the admin API."""

    def __init__(self, message: str, *, code: str, status: int) -> None:
        super().__init__(message)
        self.api_code = code
        self.api_status = status


class Client:
    """Calls the admin API of one Headgate.

    Args:
        url: base URL, such as `http://127.0.0.1:8080`.
        key: an API key with the rights that the command needs, or empty for what needs none.
        timeout_s: for connecting and for each read.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid(f"{url!r} is not a valid URL; write http://HOST:PORT", param="--url")
        self._url = parts
        self.key = key
        self._timeout_s = timeout_s

    @classmethod
    def of(cls, settings: Settings, *, url: str | None = None, timeout_s: float = _TIMEOUT_S) -> Client:
        """Return a client for the Headgate that runs with these settings."""
        # The file of a folder says where the key of that folder goes, and no other key.
        usual = settings.base_url if settings_module.api_key() else settings.client_url
        return cls(url or usual, _key(settings.data), timeout_s=timeout_s)

    @property
    def url(self) -> str:
        """The base URL."""
        return self._url.geturl()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API and return the decoded body, or None for an empty one.

        Raises:
            ApiError: the API returned an error; the message is the API's.
            Unavailable: the server cannot be reached.
        """
        connection = self._connection()
        headers = {"x-headgate-csrf": "1"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        if grant := settings_module.grant():
            headers["x-headgate-grant"] = grant
        payload = None
        if body is not None:
            payload = json.dumps(body)
            headers["content-type"] = "application/json"
        try:
            connection.request(method, path, body=payload, headers=headers)
            # Closed here: an interrupt that arrives while an object is finalized is lost.
            with connection.getresponse() as answer:
                content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            raise Unavailable(
                f"cannot reach {self._url.scheme}://{self._url.netloc} ({why}); start it with `headgate up`"
            ) from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise _as_error(answer.status, content)
        return json.loads(content) if content else None

    def lines(self, method: str, path: str, body: Any = None) -> Iterator[bytes]:
        """Call the API and yield the lines of the body as they arrive, for streams and files.

        Raises:
            ApiError: the API returned an error; the message is the API's.
            Unavailable: the server cannot be reached, or the body broke off.
        """
        connection = self._connection()
        headers = {"authorization": f"Bearer {self.key}", "x-headgate-csrf": "1"}
        payload = None
        if body is not None:
            payload, headers["content-type"] = json.dumps(body), "application/json"
        try:
            connection.request(method, path, body=payload, headers=headers)
            answer = connection.getresponse()
            if answer.status >= 400:
                raise _as_error(answer.status, answer.read())
            while line := answer.readline():
                yield line
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"the answer of {self._url.netloc} broke off; try again") from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(
                host, port, timeout=self._timeout_s, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, port, timeout=self._timeout_s)


def client_at(url: str | None) -> Client:
    """Return a client for a URL, or for the Headgate on this machine."""
    return Client.of(settings_from(click.get_current_context()), url=url)


def settings_from(context: click.Context) -> Settings:
    """Return the settings from the options of `headgate` and the environment."""
    root = context.find_root()
    if not isinstance(root.obj, Settings):
        settings, data = settings_module.load(), root.params.get("data")
        root.obj = settings if data is None else replace(settings, data=Path(data))
    return root.obj


def _key(data: Path) -> str:
    if given := settings_module.api_key():
        return given
    try:
        return (data / "admin.key").read_text().strip()
    except OSError as error:
        raise Unauthenticated(
            f"no API key found in {data}: set HEADGATE_API_KEY, or name the folder of admin.key with --data"
        ) from error


def _as_error(status: int, content: bytes) -> ApiError:
    try:
        detail = json.loads(content)["error"]
        return ApiError(str(detail["message"]), code=str(detail["code"]), status=status)
    except (ValueError, KeyError, TypeError):
        return ApiError(f"the server answered {status} without a message", code="unknown", status=status)

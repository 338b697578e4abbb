"""References to secrets: what they reach, and what they never do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headgate.kernel.errors import Invalid, Unavailable
from headgate.substrate import secrets
from headgate.substrate.secrets import SecretStore, check_reference

SECRET = "the-value-of-a-secret"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a signing key in it."""
    folder = tmp_path / "data"
    (folder / "secrets" / "ledger").mkdir(parents=True)
    (folder / "secrets" / "ledger" / "default.key").write_text(SECRET)
    return folder


def store(data: Path, **environment: str) -> SecretStore:
    return SecretStore(data=data, environment=environment)


def refusal(data: Path, reference: str, **environment: str) -> str:
    with pytest.raises(Unavailable) as refused:
        store(data, **environment)(reference)
    assert SECRET not in refused.value.message
    return refused.value.message


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "HF_TOKEN", "PROXY_LOGIN", "openai_key_eu", "KEY", "AZURE_APIKEY", "DB_PASSWORD", "A_SECRET"],
)
def test_a_variable_that_is_named_as_a_secret_is_resolved(data: Path, name: str) -> None:
    check_reference(f"env:{name}", param="key")
    assert store(data, **{name: SECRET})(f"env:{name}") == SECRET


@pytest.mark.parametrize(
    "name",
    ["PATH", "HOME", "PGPASSWORD", "MONKEY", "KEYS", "HEADGATE_DATABASE_URL", "HEADGATE_API_KEY", "headgate_tls_key"],
)
def test_a_variable_that_is_no_secret_of_a_provider_is_refused(data: Path, name: str) -> None:
    with pytest.raises(Invalid, match="KEY, TOKEN") as refused:
        check_reference(f"env:{name}", param="key")
    assert refused.value.param == "key"
    assert "HEADGATE_" in refusal(data, f"env:{name}", **{name: SECRET})


def test_a_variable_that_is_not_set_is_named(data: Path) -> None:
    assert "A_KEY" in refusal(data, "env:A_KEY")


@pytest.mark.parametrize("reference", [SECRET, "env:", "file:", "vault:a", ""])
def test_what_is_no_reference_is_refused_and_not_repeated(reference: str) -> None:
    with pytest.raises(Invalid, match="write a reference") as refused:
        check_reference(reference, param="key")
    assert SECRET not in refused.value.message


def test_a_file_is_read_without_its_line_end_also_behind_a_link(data: Path, tmp_path: Path) -> None:
    (tmp_path / "provider.key").write_text(f"{SECRET}\n")
    (tmp_path / "link").symlink_to("provider.key")
    assert store(data)(f"file:{tmp_path}/provider.key") == SECRET
    assert store(data)(f"file:{tmp_path}/link") == SECRET
    assert store(tmp_path / "not-there-yet")(f"file:{tmp_path}/link") == SECRET


@pytest.mark.parametrize(
    "path",
    [
        "data/secrets/ledger/default.key",
        "data/../data/secrets/ledger/default.key",
        "link-to-the-file",
        "link-to-the-folder/ledger/default.key",
        "own-root/data/secrets/ledger/default.key",
    ],
)
def test_a_file_of_the_data_folder_is_refused_by_whatever_way(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "link-to-the-file").symlink_to(data / "secrets" / "ledger" / "default.key")
    (tmp_path / "link-to-the-folder").symlink_to(data / "secrets")
    (tmp_path / "own-root").symlink_to(tmp_path)
    assert "data folder" in refusal(data, f"file:{tmp_path}/{path}")
    monkeypatch.chdir(tmp_path)
    assert "data folder" in refusal(Path("data"), f"file:{path}")
    (tmp_path / "alias-of-data").symlink_to(data)
    assert "data folder" in refusal(tmp_path / "alias-of-data", f"file:{path}")


@pytest.mark.parametrize("path", ["/proc/self/environ", "/proc/self/cmdline", "/proc/thread-self/environ"])
def test_what_the_system_tells_of_its_processes_is_refused(data: Path, path: str) -> None:
    assert "/proc" in refusal(data, f"file:{path}")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(data: Path, path: str) -> None:
    assert "/dev" in refusal(data, f"file:{path}")


def test_a_pipe_is_refused_without_waiting_for_somebody_to_write(data: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(data, f"file:{tmp_path}/pipe")


def test_a_link_that_is_changed_while_its_file_is_opened_opens_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that was opened is what counts, not what its name leads to a moment later."""
    link, harmless = tmp_path / "link", tmp_path / "harmless"
    harmless.write_text("harmless")
    link.symlink_to(data / "secrets" / "ledger" / "default.key")
    really_open = os.open

    def open_and_swap(path: str, flags: int) -> int:
        handle = really_open(path, flags)
        link.unlink()
        link.symlink_to(harmless)
        return handle

    monkeypatch.setattr(secrets.os, "open", open_and_swap)
    assert "is not allowed" in refusal(data, f"file:{link}")


@pytest.mark.parametrize("path", ["/nowhere/at/all", "/", "/a\0b"])
def test_a_file_that_cannot_be_read_is_named(data: Path, path: str) -> None:
    assert "cannot be read" in refusal(data, f"file:{path}")


def test_a_file_that_is_not_text_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "binary.key").write_bytes(b"\xff\xfe")
    assert "cannot be read" in refusal(data, f"file:{tmp_path}/binary.key")

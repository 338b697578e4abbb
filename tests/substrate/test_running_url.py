"""Commands find the running Headgate of a data folder, and give its key to nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.admin.client import Client
from headgate.substrate.running_url import leaving, read
from headgate.substrate.settings import Settings

URL = "http://127.0.0.1:18501"


def test_commands_believe_the_file_only_while_the_headgate_that_left_it_runs(tmp_path: Path):
    file = tmp_path / "address"
    with leaving(file, URL):
        assert read(file) == URL
        with leaving(file, "http://127.0.0.1:1"):
            assert read(file) == URL
    assert read(file) is None
    file.write_text(f"{URL}\n")  # as after a crash
    assert read(file) is None


def test_the_file_of_a_folder_decides_only_where_the_key_of_that_folder_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("HEADGATE_API_KEY", raising=False)
    settings = Settings(data=tmp_path)
    (tmp_path / "admin.key").write_text("of-the-folder")
    with leaving(settings.address_file, URL):
        assert Client.of(settings).url == URL
        monkeypatch.setenv("HEADGATE_API_KEY", "of-the-environment")
        assert Client.of(settings).url == settings.base_url

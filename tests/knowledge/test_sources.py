"""Folders as sources: read again and again, closed as they are there, and gone here when they are gone there."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headgate.admin.client import ApiError, Client
from headgate.testing.command import run_command
from headgate.testing.lab import until
from headgate.testing.running import RunningHeadgate, running_headgate

from .git_server import git_server

PEOPLE = """
[[person]]
id = "ana@example.com"
groups = ["finance"]

[[person]]
id = "ben@example.com"

[[person]]
id = "maria@example.com"

[[use_case]]
id = "research"
owner = "admin"
purpose = "Questions over documents"
members = ["*"]
"""


@dataclass(slots=True)
class Site:
    """A running Headgate with a folder that sources may read."""

    gate: RunningHeadgate
    root: Path
    ana: Client
    ben: Client
    sources: dict[str, str] = field(default_factory=dict[str, str])
    collections: dict[str, str] = field(default_factory=dict[str, str])

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def declare(self, name: str, *lines: str, options: str = "", collection: str = "") -> None:
        """Declare a source `name` of the folder `name`, in a collection of its own."""
        path, more = self.root / name, "\n".join(lines)
        self.collections[name] = f"""
[[collection]]
id = "{name}"
owner = "maria@example.com"
readers = ["*"]
{collection}
"""
        self.sources[name] = f"""
[[source]]
id = "{name}"
collection = "{name}"
kind = "folder"
options = {{ path = "{path}"{options} }}
{more}
"""
        self.apply()

    def apply(self) -> None:
        parts = (*self.collections.values(), *self.sources.values())
        self.gate.apply("\n".join(parts) if self.sources else "\n".join((*parts, "source = []")))

    def sync(self, name: str) -> dict[str, Any]:
        """Read a source now, and return how it stands at the end."""
        begun = self.gate.api.call("POST", f"/api/knowledge/sources/{name}/sync")
        return until(lambda: self.standing(name, least=begun["round"]), what="the pass")

    def first(self, name: str) -> dict[str, Any]:
        """Wait for the end of the first pass."""
        return until(lambda: self.standing(name, least=1), what="the pass")

    def standing(self, name: str, *, least: int) -> dict[str, Any] | None:
        every = self.gate.api.call("GET", "/api/knowledge/sources")["sources"]
        found = next(one for one in every if one["id"] == name)
        return found if found["round"] >= least and found["ended_at"] is not None else None

    def documents(self, collection: str, *, as_: Client | None = None) -> dict[str, dict[str, Any]]:
        """Return the documents of a collection by name, once none of them waits."""

        def look() -> list[dict[str, Any]] | None:
            path = f"/api/knowledge/collections/{collection}/documents?limit=200"
            found = (as_ or self.gate.api).call("GET", path)["documents"]
            return None if any(one["state"] in ("waiting", "reading") for one in found) else [*found, {"name": ""}]

        return {one["name"]: one for one in until(look, what="every document") if one["name"]}

    def finds(self, client: Client, question: str, collection: str) -> list[str]:
        body = {"question": question, "collections": [collection]}
        return [one["passage"]["text"] for one in client.call("POST", "/api/knowledge/search", body)["passages"]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("shared")
    environment = {"HEADGATE_FOLDERS": str(root), "GIT_TOKEN": "a-secret-token"}
    with running_headgate(tmp_path_factory.mktemp("sources") / "data", environment=environment) as gate:
        gate.apply(PEOPLE)
        ana, ben = (
            Client(gate.base_url, gate.new_key(one, use_case="research", principal=f"{one}@example.com"))
            for one in ("ana", "ben")
        )
        yield Site(gate, root, ana, ben)


def test_a_folder_is_read_at_once_and_its_changes_follow(site: Site) -> None:
    site.write("rules/leave.md", "# Leave\n\nEmployees have 28 days of annual leave.\n")
    site.write("rules/travel/hotels.md", "# Hotels\n\nA hotel costs at most 140 euros a night.\n")
    site.write("rules/.hidden.md", "# Hidden\n\nA secret draft.\n")
    site.declare("rules")

    standing = site.first("rules")
    assert (standing["found"], standing["changed"], standing["failed"], standing["fault"]) == (2, 2, 0, "")
    assert set(site.documents("rules")) == {"leave.md", "travel/hotels.md"}
    assert "140 euros" in site.finds(site.ben, "How much may a hotel cost?", "rules")[0]

    site.write("rules/travel/hotels.md", "# Hotels\n\nA hotel costs at most 160 euros a night.\n")
    site.write("rules/parking.md", "# Parking\n\nThe garage opens at 6 a.m.\n")
    (site.root / "rules/leave.md").unlink()
    standing = site.sync("rules")
    assert (standing["found"], standing["changed"], standing["removed"]) == (2, 2, 1)
    documents = site.documents("rules")
    assert set(documents) == {"parking.md", "travel/hotels.md"}
    assert "160 euros" in site.finds(site.ben, "How much may a hotel cost?", "rules")[0]
    assert not any("28 days" in text for text in site.finds(site.ben, "How many days of annual leave?", "rules"))

    standing = site.sync("rules")
    assert (standing["found"], standing["changed"], standing["removed"]) == (2, 0, 0)
    assert site.documents("rules") == documents
    with pytest.raises(ApiError) as refusal:
        site.ben.call("POST", "/api/knowledge/sources/rules/sync")
    assert refusal.value.api_status == 403


def test_a_folder_says_who_may_read_it_and_a_change_holds_without_reading_again(site: Site) -> None:
    site.write("books/open.md", "# Plan\n\nThe office moves in June.\n")
    site.write("books/pay/bonus.md", "# Bonus\n\nThe bonus pool is 4.2 million euros.\n")
    access = site.write("books/pay/.headgate-access.toml", 'readers = ["group:finance"]\n')
    site.declare("books")
    site.first("books")
    bonus = site.documents("books")["pay/bonus.md"]
    question = "How large is the bonus pool?"
    assert bonus["readers"] == ["group:finance"]
    assert any("4.2 million" in text for text in site.finds(site.ana, question, "books"))
    assert not any("4.2 million" in text for text in site.finds(site.ben, question, "books"))

    access.write_text('readers = ["ben@example.com"]\n')
    assert site.sync("books")["changed"] == 0
    assert any("4.2 million" in text for text in site.finds(site.ben, question, "books"))
    assert not any("4.2 million" in text for text in site.finds(site.ana, question, "books"))

    access.write_text("readers = everybody\n")
    assert site.sync("books")["failed"] == 1
    found = site.documents("books")["pay/bonus.md"]
    assert found["readers"] == []
    assert "malformed" in found["fault"]
    assert found["id"] == bonus["id"]
    assert not any("4.2 million" in text for text in site.finds(site.ben, question, "books"))


def test_the_entry_of_a_source_and_of_its_collection_reach_every_document(site: Site) -> None:
    site.write("plans/one.md", "# One\n\nThe first plan is to sell the garage.\n")
    site.declare("plans", 'readers = ["group:finance"]')
    site.first("plans")
    site.documents("plans")
    question = "What is the first plan?"
    assert site.finds(site.ana, question, "plans")
    assert not site.finds(site.ben, question, "plans")

    site.declare("plans", 'readers = ["ben@example.com"]')
    until(lambda: site.finds(site.ben, question, "plans") or None, what="the plan")
    assert not site.finds(site.ana, question, "plans")

    site.declare("plans", 'readers = ["ben@example.com"]', collection='confidentiality = "restricted"')
    until(lambda: labels_of(site, question) == {"restricted"} or None, what="the higher floor")
    site.declare("plans", 'readers = ["ben@example.com"]')
    until(lambda: labels_of(site, question) == {"internal"} or None, what="the lower floor")


def test_a_file_that_cannot_be_read_is_named_and_the_rest_goes_on(site: Site) -> None:
    site.write("mixed/good.md", "# Good\n\nA good document.\n")
    (site.write("mixed/large.md", "")).write_bytes(b"a" * ((1 << 20) + 1))
    site.write("mixed/empty.md", "")
    site.declare("mixed", options=", most_mib = 1")
    standing = site.first("mixed")
    assert (standing["found"], standing["changed"], standing["failed"]) == (3, 1, 2)
    documents = site.documents("mixed")
    assert documents["good.md"]["state"] == "ready"
    assert (documents["large.md"]["state"], documents["empty.md"]["state"]) == ("failed", "failed")
    assert "larger than 1 MiB" in documents["large.md"]["fault"]


def test_a_link_leads_nowhere_and_other_folders_stay_closed(site: Site) -> None:
    outside = site.root.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "private.md").write_text("# Private\n\nThe code of the safe is 4711.\n")
    site.write("linked/own.md", "# Own\n\nA document of its own.\n")
    (site.root / "linked/away").symlink_to(outside)
    (site.root / "linked/private.md").symlink_to(outside / "private.md")
    (site.root / "detour").symlink_to(outside)
    os.mkfifo(site.root / "linked/pipe.md")
    site.declare("linked")
    assert site.first("linked")["found"] == 1
    assert set(site.documents("linked")) == {"own.md"}

    links = (site.root / "detour", site.root / "linked/away")
    for path in (*links, outside, site.gate.data, Path("/etc"), Path("/proc/self")):
        message = refused(site, f'path = "{path}"')
        assert "HEADGATE_FOLDERS" in message, path
        assert "options.path" in message
    assert "absolute" in refused(site, 'path = "../outside"')
    assert "did you mean 'path'" in refused(site, 'pth = "/srv"')
    assert "did you mean 'folder'" in refused(site, 'path = "/srv"', kind="folders")


def test_a_repository_is_read_and_followed(site: Site, tmp_path: Path) -> None:
    with git_server(tmp_path) as repository:
        (repository.work / "deploy.md").write_text("# Deploy\n\nDeployments happen on Tuesdays.\n")
        repository.commit("Begin")
        where = f'options = {{ url = "{repository.url}", network = "lab", key = "env:GIT_TOKEN" }}'
        site.sources["code"] = f'[[source]]\nid = "code"\ncollection = "code"\nkind = "git"\n{where}\n'
        site.collections["code"] = '[[collection]]\nid = "code"\nowner = "maria@example.com"\nreaders = ["*"]\n'
        site.collections["lab"] = '[[network]]\nid = "lab"\nallow = ["127.0.0.1/32"]\n'
        site.apply()
        until(lambda: "deploy.md" in site.documents("code") or None, what="the repository")
        assert "Tuesdays" in site.finds(site.ben, "When do deployments happen?", "code")[0]

        (repository.work / "deploy.md").write_text("# Deploy\n\nDeployments happen on Fridays.\n")
        repository.commit("Go on")
        assert site.sync("code")["changed"] == 1
        site.documents("code")
        assert "Fridays" in site.finds(site.ben, "When do deployments happen?", "code")[0]


def test_a_folder_that_goes_away_keeps_its_documents_and_says_so(site: Site) -> None:
    site.write("gone/one.md", "# One\n\nA document on a disk.\n")
    site.declare("gone")
    site.first("gone")
    site.documents("gone")
    (site.root / "gone").rename(site.root / "gone.away")
    site.gate.api.call("POST", "/api/knowledge/sources/gone/sync")

    def fault() -> str | None:
        every = site.gate.api.call("GET", "/api/knowledge/sources")["sources"]
        return next(one for one in every if one["id"] == "gone")["fault"] or None

    assert "there is no folder" in until(fault, what="the fault")
    assert set(site.documents("gone")) == {"one.md"}
    assert site.finds(site.ben, "Which document is on a disk?", "gone")
    site.declare("gone", 'readers = ["ana@example.com"]')
    until(lambda: fault() is not None or None, what="the fault of the new entry")
    assert site.finds(site.ana, "Which document is on a disk?", "gone")
    assert not site.finds(site.ben, "Which document is on a disk?", "gone")  # though no pass has reached it
    (site.root / "gone.away").rename(site.root / "gone")
    address = {"HEADGATE_DATA": str(site.gate.data), "HEADGATE_PORT": site.gate.base_url.rpartition(":")[2]}
    done = run_command("knowledge", "sync", "gone", "--wait", **address)
    assert done.exit_code == 0, done.output
    assert site.standing("gone", least=2) is not None


def test_what_is_no_longer_declared_is_gone(site: Site) -> None:
    site.write("brief/one.md", "# Brief\n\nA brief document.\n")
    site.declare("brief")
    site.first("brief")
    assert set(site.documents("brief")) == {"one.md"}
    del site.sources["brief"]
    site.apply()
    until(lambda: not site.documents("brief") or None, what="the end of the documents")
    site.declare("brief")
    until(lambda: set(site.documents("brief")) == {"one.md"} or None, what="the document")


def test_a_killed_worker_loses_and_doubles_nothing(site: Site) -> None:
    for number in range(300):
        site.write(f"many/{number % 7}/{number:04}.txt", f"Paragraph {number} of the long contract.\n")
    site.declare("many")

    def found() -> int:
        every = site.gate.api.call("GET", "/api/knowledge/collections")["collections"]
        return next(one for one in every if one["id"] == "many")["documents"]

    until(lambda: found() >= 50 or None, what="a part of the folder")
    assert found() < 300
    for pid in site.gate.children()["worker"]:
        os.kill(pid, signal.SIGKILL)
    standing = until(lambda: resting(site, "many"), what="the pass", within_s=90)
    assert (standing["round"], standing["found"], standing["changed"]) == (1, 300, 300)
    assert (standing["removed"], standing["failed"], found()) == (0, 0, 300)


def labels_of(site: Site, question: str) -> set[str]:
    """Return the confidentiality of the passages that Ben finds."""
    found = site.ben.call("POST", "/api/knowledge/search", {"question": question, "collections": ["plans"]})
    return {one["labels"].partition("=")[2].partition(";")[0] for one in found["passages"]}


def resting(site: Site, name: str) -> dict[str, Any] | None:
    try:
        return site.standing(name, least=1)
    except (ApiError, OSError):
        return None


def refused(site: Site, options: str, *, kind: str = "folder") -> str:
    entry = f'[[source]]\nid = "x"\ncollection = "rules"\nkind = "{kind}"\noptions = {{ {options} }}\n'
    with pytest.raises(ApiError) as refusal:
        site.gate.apply("\n".join((*site.collections.values(), entry)))
    return str(refusal.value)

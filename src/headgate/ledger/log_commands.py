"""`headgate ledger`: verifies logs and proves records from files, without server or database."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from headgate.admin.client import settings_from
from headgate.admin.printing import plural
from headgate.kernel.errors import Corrupt, Invalid, NotFound, Unavailable
from headgate.ledger.checkpoint import MAX_NOTE_BYTES, Checkpoint, VerifierKey, verify_checkpoint
from headgate.ledger.leaves import decode_leaf
from headgate.ledger.log_keys import read_verifier, verifier_path
from headgate.ledger.prove import MAX_BUNDLE_BYTES, Bundle, check_bundle
from headgate.ledger.prove import prove as make_proof
from headgate.ledger.tiles import TileReader, read_checkpoint, read_file
from headgate.ledger.verify import Fault, Verification, verify_log

_PROGRESS_AFTER_S = 2.0
_PROGRESS_EVERY_S = 1.0
_ULID_CHARS = 26


def _or_usual(context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path:
    return value or settings_from(context).data


_data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    callback=_or_usual,
    help="Data folder. Default: the one of `headgate --data`.",
)
_tenant = click.option("--tenant", help="Only the log of this tenant.")
_key = click.option(
    "--key", "key_text", metavar="VKEY", help="The log's verifier key from another source: name+id+key."
)


@click.group()
def ledger() -> None:
    """Verify the ledger and prove records, from files only."""


@ledger.command()
@_data
@_tenant
@_key
@click.option(
    "--consistent-with",
    "kept",
    metavar="CHECKPOINT",
    type=click.Path(path_type=Path, dir_okay=False),
    help="An earlier copy of the log's file `checkpoint`, which the log must continue.",
)
def verify(data: Path, tenant: str | None, key_text: str | None, kept: Path | None) -> None:
    """Check every byte of every log. Exits with 1 after a fault.

    To detect a log that was reset to an older copy or replaced by another log, an auditor needs an earlier checkpoint
    and the verifier key, both kept elsewhere.
    """
    with _errors_told():
        logs = _logs(data, tenant)
        if key_text is not None and len(logs) != 1:
            raise Invalid("--key applies to one log: choose it with --tenant.", param="--key")
        if kept is not None and len(logs) != 1:
            raise Invalid("--consistent-with applies to one log: choose it with --tenant.", param="--consistent-with")
        sound = [_verify(log, _trusted(log, key_text), is_own_key=key_text is None, kept=kept) for log in logs]
    raise SystemExit(0 if all(sound) else 1)


@ledger.command()
@click.argument("record_id", metavar="ID")
@_data
@_tenant
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Output file. Default: ID.proof.json."
)
def prove(record_id: str, data: Path, tenant: str | None, output: Path | None) -> None:
    """Write a proof that the ledger has the record ID. Anybody can check the proof offline."""
    with _errors_told():
        if len(record_id) != _ULID_CHARS or not record_id.isalnum() or not record_id.isascii():
            raise Invalid("The id of a record is a ULID of 26 letters and digits.", param="ID")
        bundle = _prove(_logs(data, tenant), record_id)
        target = output or Path(f"{record_id}.proof.json")
        target.write_bytes(bundle.to_json())
    click.echo(f"{target}: record {record_id} is entry {bundle.leaf_index} of its log")
    click.echo(f"verifier key {bundle.verifier_key} (send it to the checker separately from the file)")


@ledger.command("check-proof")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_key
def check_proof(file: Path, key_text: str | None) -> None:
    """Check a proof from `headgate ledger prove`. Exits with 1 if it is not valid."""
    with _errors_told():
        keys = None if key_text is None else [VerifierKey.decode(key_text)]
        checked = check_bundle(_read_proof(file), keys=keys)
        leaf = decode_leaf(checked.entry)
    head = checked.checkpoint.checkpoint
    click.echo(f"{checked.statement}: record {leaf.id} is entry {checked.leaf_index} of {head.size} in {head.origin}")
    click.echo(f"root {head.root.hex()}")
    for signer in checked.checkpoint.signed_by:
        click.echo(f"signed by {signer.encode()}")
    if checked.key_is_from_bundle:
        click.echo("The key came with the proof: compare it with the operator's key, or pass that key with --key.")


def _logs(data: Path, tenant: str | None) -> list[Path]:
    """Return the folders of all logs, or of one tenant's. Includes a missing log whose verifier key exists."""
    root = data / "ledger"
    if not root.is_dir():
        raise Invalid(f"{data} has no ledger: name the data folder with --data.", param="--data")
    if tenant is None:
        # The key is created with the log's first checkpoint, so a key without a log means that the log was removed.
        keys = {path.with_suffix("") for path in root.glob("*.vkey")}
        found = sorted(keys | {path for path in root.iterdir() if path.is_dir()})
        if not found:
            raise Invalid(f"{root} has no log yet: a tenant's log begins with its first record.", param="--data")
        return found
    if Path(tenant).name != tenant or not ((root / tenant).is_dir() or verifier_path(root, tenant).exists()):
        raise Invalid(f"{root} holds no log of that tenant.", param="--tenant")
    return [root / tenant]


def _trusted(log: Path, key_text: str | None) -> list[VerifierKey]:
    if key_text is not None:
        return [VerifierKey.decode(key_text)]
    path = verifier_path(log.parent, log.name)
    try:
        return [read_verifier(path)]
    except FileNotFoundError:
        raise Invalid(f"{path} is missing: give the log's verifier key with --key.", param="--key") from None


class _Progress:
    """Prints progress on stderr, for work of more than two seconds."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._next_s = time.monotonic() + _PROGRESS_AFTER_S

    def __call__(self, done: int, size: int) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _PROGRESS_EVERY_S
            click.echo(f"{self._what}: {done:,} of {size:,} entries", err=True)


def _kept_checkpoint(path: Path, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Read an auditor's earlier checkpoint and verify it with the log's key."""
    try:
        return verify_checkpoint(read_file(path, limit=MAX_NOTE_BYTES), keys=keys).checkpoint
    except FileNotFoundError:
        raise Invalid(f"There is no file {path}.", param="--consistent-with") from None
    except Corrupt as problem:
        raise Corrupt(f"The checkpoint in {path} does not belong to this log: {problem.message}") from problem


def _verify(log: Path, keys: Sequence[VerifierKey], *, is_own_key: bool, kept: Path | None) -> bool:
    """Verify one log and print the result. Return whether it is sound."""
    trusted = None if kept is None else _kept_checkpoint(kept, keys)
    found = verify_log(log, keys=keys, trusted=trusted, on_progress=_Progress(log.name))
    click.echo(f"{log.name}: {found.statement}, {plural(found.entries_checked, 'entry', 'entries')} checked")
    if found.checkpoint is not None:
        head = found.checkpoint.checkpoint
        click.echo(f"  log    {head.origin}\n  size   {head.size}\n  root   {head.root.hex()}")
        for signer in found.checkpoint.signed_by:
            click.echo(f"  key    {signer.encode()}")
    if trusted is not None and found.statement != "faulty":
        click.echo(f"  holds  all {trusted.size} entries of {kept} unchanged")
    for fault in found.faults:
        click.echo(f"  fault  {_described(log.name, fault)}")
    _tell_limits(found, is_own_key=is_own_key)
    return found.statement != "faulty"


def _described(log: str, fault: Fault) -> str:
    leaf = "" if fault.leaf_index is None else f", leaf {fault.leaf_index}"
    byte = "" if fault.byte_offset is None else f", byte {fault.byte_offset}"
    return f"{log}/{fault.path}{leaf}{byte}: {fault.what}"


def _tell_limits(found: Verification, *, is_own_key: bool) -> None:
    if found.unsigned:
        are = "is" if len(found.unsigned) == 1 else "are"
        click.echo(
            f"  note   {plural(len(found.unsigned), 'file')} {are} ahead of the checkpoint,"
            " from a running or interrupted append"
        )
    if not found.is_complete:
        click.echo("  note   verification is incomplete: restore the log from its backup and verify again")
    if is_own_key and found.statement != "faulty":
        click.echo("  note   the key is stored with the log; compare it with a copy kept elsewhere, or use --key")


def _prove(logs: Sequence[Path], record_id: str) -> Bundle:
    for log in logs:
        index = _find(log, record_id)
        if index is not None:
            return make_proof(log, index, keys=_trusted(log, None))
    raise NotFound(
        f"No log has the record {record_id}. A closed record enters its log within seconds, an open record only after "
        "it closes."
    )


def _find(log: Path, record_id: str) -> int | None:
    """Return the index of the record's entry. Reads all entries, one bundle at a time."""
    try:
        size = verify_checkpoint(read_checkpoint(log), keys=_trusted(log, None)).checkpoint.size
    except FileNotFoundError:
        return None
    needle, tell = record_id.encode(), _Progress(f"looking through {log.name}")
    for index, entry in enumerate(TileReader(log, size).entries()):
        if needle in entry and decode_leaf(entry).id == record_id:
            return index
        if not index % 4096:
            tell(index, size)
    return None


def _read_proof(file: Path) -> bytes:
    try:
        return read_file(file, limit=MAX_BUNDLE_BYTES)
    except FileNotFoundError:
        raise Invalid(f"There is no file {file}.", param="FILE") from None
    except Corrupt as problem:
        raise Invalid(f"{file} {problem.message}.", param="FILE") from problem


@contextmanager
def _errors_told() -> Generator[None]:
    """Turn errors of the file system into ours."""
    try:
        yield
    except OSError as problem:
        raise Unavailable(f"{problem.filename}: {problem.strerror}") from problem

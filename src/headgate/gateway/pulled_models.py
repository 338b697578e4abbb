"""The models that were pulled onto this machine: their files, and a short list of known ones.

    MODELS/NAME.gguf        the model, complete and checked
    MODELS/NAME.json        its source, digest and licence
    MODELS/NAME.part        the bytes of a pull so far
    MODELS/NAME.part.json   what they are a part of
    MODELS/NAME.lock        held by the pull or removal of this name

`open_models.json` is the list of known models. Their digests are those of the files at the publisher, as several
independent projects publish them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import msgspec

from headgate.gateway.embedded.weights import CHAT_MODEL, EMBED_MODEL
from headgate.kernel.errors import Conflict, Invalid, NotFound, Unavailable

ModelName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9._-]{0,62}[a-z0-9]$")]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

CONTEXT_TOKENS: Final = 4096
"""Prompt and answer of a call of a pulled model."""

MODELS_FOLDER: Final = "models"
"""In the data folder."""

_BUILT_IN: Final = frozenset({CHAT_MODEL, EMBED_MODEL, "local-chat", "local-embed"})
_MOST_MODELS: Final = 1000


class OpenModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A known model."""

    name: ModelName
    good_for: str
    size_bytes: int
    licence: str
    url: str
    sha256: Digest


class PulledModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A complete model.

    Args:
        source: its address, without a query, which may hold a secret.
    """

    name: ModelName
    size_bytes: int
    sha256: Digest
    source: str
    licence: str


@cache
def open_models() -> Sequence[OpenModel]:
    """Return the known models."""
    return msgspec.json.decode(
        files("headgate.gateway").joinpath("open_models.json").read_bytes(), type=list[OpenModel]
    )


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of one name in the folder of models."""

    folder: Path
    name: str

    @property
    def model(self) -> Path:
        """The complete model."""
        return self.folder / f"{self.name}.gguf"

    @property
    def manifest(self) -> Path:
        """What is known of the complete model."""
        return self.folder / f"{self.name}.json"

    @property
    def part(self) -> Path:
        """The bytes of a pull so far."""
        return self.folder / f"{self.name}.part"

    @property
    def part_manifest(self) -> Path:
        """What the part is a part of."""
        return self.folder / f"{self.name}.part.json"

    def pulled(self) -> PulledModel | None:
        """Return the complete model, or None."""
        if not self.model.is_file():
            return None
        try:
            return msgspec.json.decode(self.manifest.read_bytes(), type=PulledModel)
        except (OSError, msgspec.MsgspecError):
            return None

    def remove_part(self) -> None:
        """Remove what was pulled so far."""
        self.part.unlink(missing_ok=True)
        self.part_manifest.unlink(missing_ok=True)

    def remove(self) -> int:
        """Remove everything of this name; return the size of the removed model in bytes.

        Raises:
            NotFound: there is no such model, and no part of one.
        """
        with self.held():
            found = next((path for path in (self.model, self.part) if path.is_file()), None)
            if found is None:
                raise NotFound(f"the model {self.name} was not pulled to this machine; see `headgate models pulled`")
            size_bytes = found.stat().st_size
            # The manifest first: a model without it is no model.
            self.manifest.unlink(missing_ok=True)
            self.model.unlink(missing_ok=True)
            self.remove_part()
            return size_bytes

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold the name against another pull or removal, in any process of this machine.

        Raises:
            Conflict: another one holds it.
            Unavailable: the folder cannot be written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.folder / f"{self.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"the folder of models cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise Conflict(f"the model {self.name} is being pulled or removed; wait until that has ended") from error
        finally:
            os.close(lock)


def pulled_models(folder: Path) -> list[PulledModel]:
    """Return the complete models of a folder, sorted by name."""
    names = sorted(path.stem for path in folder.glob("*.gguf"))[:_MOST_MODELS]
    found = (ModelFiles(folder, name).pulled() for name in names)
    return [one for one in found if one is not None]


def check_name(name: str) -> None:
    """Raise Invalid for the name of a built-in model, or one whose files would be the part of another model."""
    if name in _BUILT_IN:
        raise Invalid(f"{name} is built in; choose another name", param="name")
    if name.endswith(".part"):
        raise Invalid(f"{name} ends as the files of unfinished pulls do; choose another name", param="name")

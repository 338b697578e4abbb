"""Signing keys of logs: one per tenant, created with its log and never replaced."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from headgate.kernel.errors import Corrupt
from headgate.ledger.checkpoint import SigningKey, VerifierKey
from headgate.substrate._secret_files import kept_secret, private_folder, sync_folder


class LogKeys:
    """Signing keys as `<tenant>.key`, mode 0600, in one folder; verifier keys as `<tenant>.vkey` in another.

    Args:
        secrets: the private folder.
        public: the folder of the logs and their verifier keys.
    """

    def __init__(self, secrets: Path, *, public: Path) -> None:
        self._secrets = secrets
        self._public = public

    def signing_key(self, tenant: str, *, origin: str) -> SigningKey:
        """Return the signing key of the tenant's log. Creates the key files for a new log.

        Raises:
            Corrupt: the key is missing, or does not match the verifier key of the log.
            Denied: other users can read the key.
        """
        private_folder(self._secrets)
        private, public = self._secrets / f"{tenant}.key", verifier_path(self._public, tenant)
        if public.exists() and not private.exists():
            raise Corrupt(
                f"The signing key of the log of {tenant} is missing, but its verifier key exists; "
                f"restore {private.name} from its backup, because a log never gets a second key."
            )
        key = SigningKey(origin, base64.urlsafe_b64decode(kept_secret(private) + "="))
        if not public.exists():
            _publish(public, key.verifier)
        elif read_verifier(public) != key.verifier:
            raise Corrupt(f"The signing key of the log of {tenant} does not belong to {public.name}; restore it.")
        return key


def verifier_path(logs: Path, tenant: str) -> Path:
    """Return the path of a tenant's verifier key."""
    return logs / f"{tenant}.vkey"


def read_verifier(path: Path) -> VerifierKey:
    """Read a verifier key from a file. Raises Invalid for other content, OSError for an unreadable file."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return VerifierKey.decode(file.read(1024).strip())


def _publish(path: Path, key: VerifierKey) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(key.encode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)

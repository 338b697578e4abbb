"""The keys with which logs sign: one for each tenant, made when its log begins, never made twice."""

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
        public: the folder of the logs, beside which the verifier keys lie.
    """

    def __init__(self, secrets: Path, *, public: Path) -> None:
        self._secrets = secrets
        self._public = public

    def signing_key(self, tenant: str, *, origin: str) -> SigningKey:
        """The key of the tenant's log, made where its log is new; writes files.

        Raises:
            Corrupt: a log was signed with another key than the one at hand, or its key is gone.
            Denied: others than the owner may read the key.
        """
        private_folder(self._secrets)
        private, public = self._secrets / f"{tenant}.key", verifier_path(self._public, tenant)
        if public.exists() and not private.exists():
            raise Corrupt(
                f"The signing key of the log of {tenant} is gone while its verifier key is there; "
                f"restore {private.name} from its backup: a log is not signed with a second key."
            )
        key = SigningKey(origin, base64.urlsafe_b64decode(kept_secret(private) + "="))
        if not public.exists():
            _publish(public, key.verifier)
        elif read_verifier(public) != key.verifier:
            raise Corrupt(f"The signing key of the log of {tenant} does not belong to {public.name}; restore it.")
        return key


def verifier_path(logs: Path, tenant: str) -> Path:
    """Where the verifier key of a tenant's log lies."""
    return logs / f"{tenant}.vkey"


def read_verifier(path: Path) -> VerifierKey:
    """The verifier key in a file. Raises Invalid where it holds something else, OSError where it cannot be read."""
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

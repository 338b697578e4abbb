"""The section `[[notification]]` of `headgate.toml`."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.admin.spec_section import SpecSection
from headgate.kernel.ports import Edit, Fault
from headgate.notices import store
from headgate.notices.destinations import Destination, refuse_destination
from headgate.substrate.secrets import SecretStore

NAME = "notification"
_SECRETS = ("url", "secret", "login")


def notification_section() -> SpecSection[Destination]:
    """Return the section of the destinations of notices."""
    return SpecSection(
        NAME,
        Destination,
        uses={"use_cases": "use_case"},
        refuse=refuse_destination,
        stored=store.destinations,
        put=store.put,
        delete=store.delete,
    )


def unset_secrets(edit: Edit, secrets: SecretStore) -> Iterator[Fault]:
    """Yield a warning for each reference of a changed destination to an environment variable that is not set."""
    for table in edit.named.get(NAME, ()):
        for key in _SECRETS:
            if (why := secrets.why_unset(str(table.get(key, "")))) is not None:
                yield Fault(NAME, str(table["id"]), f"{why}; until then its messages fail")

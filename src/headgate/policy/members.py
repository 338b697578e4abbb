"""Members of use cases: who may use one besides its owner and administrators, as the rule `use-case-members` has it."""

from __future__ import annotations

from headgate.kernel.errors import Invalid
from headgate.kernel.identity import Principal, UseCase
from headgate.kernel.labels import EMPTY
from headgate.policy.models import ADMIN, HEADGATE, RegisteredPrincipal

EVERYONE = "*"
GROUP = "group:"
RULE = "use-case-members"

_MAX_CHARS = 200
_MOST = 2_000


def is_listed(use_case: UseCase, principal: RegisteredPrincipal | None) -> bool:
    """Tell whether the members of a use case name a registered principal: everyone, one of its groups, or itself."""
    members = use_case.members or EMPTY
    if principal is None or not members:
        return False
    if EVERYONE in members or any(GROUP + group in members for group in principal.groups):
        return True
    # An id that looks like a group stands for no group.
    return principal.id in members and not principal.id.startswith(GROUP)


def why_not_bound(use_case: UseCase, *, maker: Principal, registered: RegisteredPrincipal | None) -> str | None:
    """Return why somebody may not make keys for a use case, or None: its members, its owner and administrators do."""
    if ADMIN in maker.roles or maker.id == use_case.owner or is_listed(use_case, registered):
        return None
    return whom_to_ask(use_case)


def refuse_members(members: frozenset[str] | None) -> None:
    """Raise Invalid where members are of no allowed form."""
    if members is not None and len(members) > _MOST:
        raise Invalid(f"a use case names at most {_MOST:,} members; name groups instead", param="members")
    for member in sorted(members or ()):
        name = member.removeprefix(GROUP)
        if not name.strip() or len(member) > _MAX_CHARS or (EVERYONE in name and member != EVERYONE):
            raise Invalid(
                f"a member is the id of a person or program, {GROUP}NAME, or {EVERYONE} for everyone; not {member!r}",
                param="members",
            )


def whom_to_ask(use_case: UseCase) -> str:
    """Say for people who can make them a member."""
    who = "an administrator" if use_case.owner == HEADGATE else f"its owner, {use_case.owner}, or an administrator"
    return f"you are not a member of the use case {use_case.id}: ask {who} to add you"

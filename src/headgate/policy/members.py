"""Members of use cases, for the rule `use-case-members`. The owner and administrators need no membership."""

from __future__ import annotations

from headgate.kernel.errors import Invalid
from headgate.kernel.identity import Principal, UseCase
from headgate.kernel.labels import EMPTY
from headgate.policy.entities import ADMIN, HEADGATE, RegisteredPrincipal

EVERYONE = "*"
GROUP = "group:"
RULE = "use-case-members"
NOT_LIVE_RULE = "use-case-not-live"

_MAX_CHARS = 200
_MOST = 2_000


def is_listed(use_case: UseCase, principal: RegisteredPrincipal | None) -> bool:
    """Return whether the members of a use case include a principal, by `*`, by a group or by its id."""
    members = use_case.members or EMPTY
    if principal is None or not members:
        return False
    if EVERYONE in members or any(GROUP + group in members for group in principal.groups):
        return True
    # A principal whose id looks like a group does not match that group.
    return principal.id in members and not principal.id.startswith(GROUP)


def binding_refusal(use_case: UseCase, *, maker: Principal, registered: RegisteredPrincipal | None) -> str | None:
    """Return why somebody may not make keys for a use case, or None for members, its owner and administrators."""
    if ADMIN in maker.roles or maker.id == use_case.owner or is_listed(use_case, registered):
        return None
    return membership_advice(use_case)


def refuse_members(members: frozenset[str] | None) -> None:
    """Raise Invalid if a member is malformed or there are too many."""
    if members is not None and len(members) > _MOST:
        raise Invalid(f"a use case has at most {_MOST:,} members; add groups instead", param="members")
    for member in sorted(members or ()):
        name = member.removeprefix(GROUP)
        if not name.strip() or len(member) > _MAX_CHARS or (EVERYONE in name and member != EVERYONE):
            raise Invalid(
                f"{member!r} is not a valid member; write an id, {GROUP}NAME, or {EVERYONE} for everyone",
                param="members",
            )


def membership_advice(use_case: UseCase) -> str:
    """Return advice for a person who is not a member."""
    who = "an administrator" if use_case.owner == HEADGATE else f"its owner, {use_case.owner}, or an administrator"
    return f"you are not a member of the use case {use_case.id}: ask {who} to add you"


def status_advice(use_case: UseCase) -> str:
    """Return advice for a caller whose use case is not live. It names the owner."""
    who = "an administrator" if use_case.owner == HEADGATE else f"its owner, {use_case.owner}, or an administrator"
    name = f"{use_case.title} ({use_case.id})" if use_case.title else use_case.id
    match use_case.status:
        case "paused":
            return f"the use case {name} is paused: ask {who} to resume it"
        case "retired":
            return f"the use case {name} is retired: ask {who} which use case replaces it"
        case _:
            return f"the use case {name} is still a draft: ask {who} to make it live"

"""The caller's own account. Everybody may read it."""

from __future__ import annotations

from headgate.admin.bodies import Body
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.kernel.errors import NotFound
from headgate.people.parts import People
from headgate.people.rights import rights_of, titles
from headgate.people.views import BUILT_IN_PURPOSES, PersonView, person_views
from headgate.wire.model_call import MODEL_INVOKE


class UsableUseCase(Body, frozen=True, kw_only=True):
    """A use case under which the caller may use models. `title` is the id of one without a title."""

    id: str
    title: str
    purpose: str
    owner: str


class AccountView(Body, frozen=True, kw_only=True):
    """The caller as registered, what they may do in words, and the use cases that they may use."""

    person: PersonView
    may: list[str]
    use_cases: list[UsableUseCase]


async def get_account(people: People, request: Request) -> AccountView:
    """Return the caller's own account."""
    caller = request.by
    me = people.register.everybody(request.tenant).get(caller.principal.id)
    if me is None:
        raise NotFound("your account is no longer registered; ask an administrator")
    (view,) = await person_views(people, [me], tenant=request.tenant)
    return AccountView(
        person=view,
        may=titles(rights_of(request.host.gate, caller, people.verbs)),
        use_cases=[
            UsableUseCase(
                id=use_case.id, title=use_case.title or use_case.id, purpose=use_case.purpose, owner=use_case.owner
            )
            for use_case in sorted(caller.use_cases.values(), key=lambda one: one.id)
            if use_case.id not in BUILT_IN_PURPOSES
            and caller.bound in (None, use_case.id)
            and request.host.gate.may_use(caller, MODEL_INVOKE, use_case)
        ],
    )


OPERATIONS = (Operation("getAccount", "GET", "/api/account", "Your own account.", get_account, answer=AccountView),)

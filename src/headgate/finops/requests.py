"""Reads requests for figures: their period and filters, and whether the caller may read them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from headgate.admin.directory import PERSON_LIST
from headgate.admin.operations import Parameter
from headgate.admin.requests import Request
from headgate.finops.parts import FinOps
from headgate.finops.periods import Period, period_of
from headgate.finops.service import Question
from headgate.finops.store import DIMENSIONS, Dimension
from headgate.finops.verbs import USAGE_READ
from headgate.finops.views import Names
from headgate.kernel.action import Resource
from headgate.kernel.errors import Denied, Invalid

PERIOD: Final = (
    Parameter("span", "The last so many minutes, hours or days, such as 24h; 7d by default."),
    Parameter("since", "From this RFC 3339 time on, instead of a span."),
    Parameter("until", "Before this RFC 3339 time; now by default."),
    Parameter("grain", "The steps of time: minute, hour or day; chosen by the period by default."),
)
FILTERS: Final = (
    Parameter("verb", "Only actions of this verb, such as model.invoke."),
    Parameter("use_case", "Only this use case. Its owner may read its figures."),
    Parameter("person", "Only this person or program, by pseudonym or by id."),
    Parameter("key", "Only calls with this key, by its id."),
    Parameter("model", "Only this alias."),
    Parameter("deployment", "Only calls that this deployment answered."),
    Parameter("outcome", "Only this outcome, such as done, refused or failed."),
)


def authorise(request: Request) -> None:
    """Let policy decide whether the caller may read these figures.

    Raises:
        Denied: the caller may read neither all figures nor those of the use case.
    """
    use_case = request.text("use_case")
    known = request.by.use_cases.get(use_case or "")
    owner = "" if known is None else known.owner
    request.authorise(USAGE_READ, Resource("usage", use_case or "all", attributes={"owner": owner}))


def knows_people(request: Request) -> bool:
    """Return whether the caller may see names."""
    return request.allows(PERSON_LIST, Resource("people", request.tenant))


def names_of(finops: FinOps, request: Request) -> Names:
    """Return the names that the caller may see: of everybody and of the keys, or only their own."""
    named = finops.directory.by_pseudonym(request.tenant)
    if knows_people(request):
        titles = {pseudonym: one.title for pseudonym, one in named.items()}
        return Names(titles, finops.directory.key_titles(request.tenant))
    own = finops.directory.pseudonym(request.tenant, request.by.principal.id)
    return Names({own: named[own].title} if own in named else {})


def question_of(finops: FinOps, request: Request) -> Question:
    """Return what a request asks for."""
    where: dict[Dimension, str] = {}
    for name in DIMENSIONS:
        if (value := request.text(name)) is not None:
            where[name] = value
    if "person" in where:
        where["person"] = _pseudonym(finops, request, where["person"])
    return Question(request.tenant, period(finops, request), where)


def own_question(finops: FinOps, request: Request) -> Question:
    """Return the same for the caller's own figures."""
    own = finops.directory.pseudonym(request.tenant, request.by.principal.id)
    where: dict[Dimension, str] = {"person": own}
    return Question(request.tenant, period(finops, request), where)


def period(finops: FinOps, request: Request) -> Period:
    """Return the period of a request."""
    return period_of(
        span=request.text("span"),
        since=_moment(request, "since"),
        until=_moment(request, "until"),
        grain=request.text("grain"),
        now=finops.clock.now(),
    )


def _pseudonym(finops: FinOps, request: Request, person: str) -> str:
    """Return a person's pseudonym. Who may not list people may give only pseudonyms, or their own id."""
    if person.startswith("p_"):
        return person
    if person != request.by.principal.id and not knows_people(request):
        raise Denied("your role lets you read figures, but not names; give the pseudonym of the person")
    return finops.directory.pseudonym(request.tenant, person)


def _moment(request: Request, name: str) -> datetime | None:
    text = request.text(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or moment.year < 1970:
            raise ValueError
        moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise Invalid("write an RFC 3339 time, such as 2027-03-01T09:00:00Z", param=name) from error
    return moment

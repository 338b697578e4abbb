"""The feature people: sign-in, sessions, the register of people and services, and everybody's own account."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

from headgate.admin.features import Feature, Opened, Platform
from headgate.admin.register import REGISTER
from headgate.admin.sessions import SESSIONS
from headgate.kernel.pipeline import Pipeline
from headgate.people import account_routes, person_routes, session_routes, sign_in_routes
from headgate.people.commands import COMMANDS
from headgate.people.last_seen import LastSeen
from headgate.people.parts import People
from headgate.people.sessions import Attempts, PeopleSessions
from headgate.people.tokens import Lifetimes
from headgate.people.verbs import VERBS


async def open_people(platform: Platform, stack: AsyncExitStack) -> Opened:
    """Open the feature on the workers' database role."""
    clock, ids, settings = platform.base.clock, platform.base.ids, platform.base.settings
    register = platform.offers.ask(REGISTER)
    last_seen = LastSeen(platform.database, clock=clock, registered=register.everybody)
    lifetimes = Lifetimes(
        invitation=timedelta(hours=settings.invitation_hours),
        idle=timedelta(hours=settings.session_idle_hours),
        session=timedelta(hours=settings.session_hours),
    )
    sessions = PeopleSessions(
        platform.database,
        clock=clock,
        ids=ids,
        tenants=platform.tenants,
        last_seen=last_seen,
        lifetimes=lifetimes,
        registered=register.everybody,
    )

    async def write_last_seen(pipeline: Pipeline) -> None:
        await last_seen.run_forever()

    return Opened(
        service=People(
            register=register,
            database=platform.database,
            sessions=sessions,
            attempts=Attempts(clock),
            last_seen=last_seen,
            roles=lambda tenant: platform.names("role", tenant),
            verbs=platform.verbs,
            clock=clock,
            is_secure=settings.tls_certificate is not None or settings.trusted_proxy,
        ),
        offers=[SESSIONS.by(sessions)],
        jobs={"last-seen": write_last_seen},
    )


FEATURE = Feature(
    name="people",
    summary="Sign-in, sessions, people and services, and everybody's own account.",
    package="headgate.people",
    verbs=VERBS,
    operations=(
        *sign_in_routes.OPERATIONS,
        *session_routes.OPERATIONS,
        *person_routes.OPERATIONS,
        *account_routes.OPERATIONS,
    ),
    commands=COMMANDS,
    open=open_people,
)

"""The feature notices: messages by mail and webhook when something waits for people."""

from __future__ import annotations

from contextlib import AsyncExitStack

from headgate.admin.features import CheckContext, Feature, OfflineParts, Opened, Platform
from headgate.admin.notices import NOTIFY
from headgate.kernel.pipeline import Pipeline
from headgate.notices.commands import COMMANDS
from headgate.notices.queue import NoticeQueue
from headgate.notices.routes import OPERATIONS, Notices
from headgate.notices.sections import notification_section, unset_secrets
from headgate.notices.sender import NoticeSender
from headgate.notices.verbs import NOTICE_SEND, VERBS


async def open_notices(platform: Platform, stack: AsyncExitStack) -> Opened:
    """Open the queue."""
    base = platform.base
    queue = NoticeQueue(
        platform.database,
        clock=base.clock,
        ids=base.ids,
        job_action=platform.job_action,
        link_base=base.settings.base_url,
    )

    async def send(pipeline: Pipeline) -> None:
        await queue.run_forever(pipeline, tenants=platform.tenants)

    return Opened(
        service=Notices(platform.database, queue, base.ids),
        performers={
            NOTICE_SEND.name: NoticeSender(platform.egress, secrets=platform.secrets, clock=base.clock),
        },
        sections=(notification_section(),),
        jobs={"queue": send},
        offers=[NOTIFY.by(queue.notify)],
        warnings=lambda edit: unset_secrets(edit, platform.secrets),
    )


def offline_notices(_: CheckContext) -> OfflineParts:
    """Return the section of destinations."""
    return OfflineParts(sections=(notification_section(),))


FEATURE = Feature(
    name="notices",
    summary="Messages by mail and webhook when something waits for people.",
    package="headgate.notices",
    verbs=VERBS,
    operations=OPERATIONS,
    commands=COMMANDS,
    open=open_notices,
    offline=offline_notices,
)

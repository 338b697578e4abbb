"""The guard feature: labelling and masking of content."""

from __future__ import annotations

from contextlib import AsyncExitStack

from headgate.admin.features import CheckContext, Feature, OfflineParts, Opened, Platform
from headgate.guard.answers import AnswerMemory
from headgate.guard.engine import Engine, builtin_detectors
from headgate.guard.labelling import GuardLabeller
from headgate.guard.pseudonyms import Pseudonyms
from headgate.guard.transform import GuardTransformer
from headgate.kernel.detection import Detector, categories_of
from headgate.substrate.shared_table import SharedTable

_REMEMBERED_ANSWERS = 1 << 16
"""For all workers of this machine together; half a kilobyte each, in a sparse file."""


async def open_guard(platform: Platform, stack: AsyncExitStack) -> Opened:
    """Load the detectors. Only workers need them, because no other process handles content."""
    base, pseudonyms = platform.base, Pseudonyms(platform.base.secret("pseudonyms"))
    if platform.purpose == "command":
        detectors, answers = dict[str, Detector](), None
        engine = Engine(detectors)
    else:
        cache = base.settings.data / "cache"
        detectors = builtin_detectors()
        engine = Engine(detectors, cache=cache)
        table = SharedTable(cache / "answers", slots=_REMEMBERED_ANSWERS)
        answers = AnswerMemory(table, key=base.secret("answers"), clock=base.clock)
    return Opened(
        service=engine,
        stages={
            "labeller": GuardLabeller(engine=engine, answers=answers),
            "transformer": GuardTransformer(engine=engine, pseudonyms=pseudonyms, answers=answers),
        },
        names={"category": lambda tenant: categories_of(detectors)},
    )


def offline_guard(_: CheckContext) -> OfflineParts:
    """Return the categories of the installed detectors."""
    categories = categories_of(builtin_detectors())
    return OfflineParts(names={"category": lambda tenant: categories})


FEATURE = Feature(
    name="guard",
    summary="Labels of content, and what is masked in it.",
    package="headgate.guard",
    open=open_guard,
    offline=offline_guard,
)

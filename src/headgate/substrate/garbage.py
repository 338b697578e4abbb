"""The garbage collector of a process that lives long and makes hardly any cycles."""

from __future__ import annotations

import gc


def leave_what_stays_alone() -> None:
    """Let the garbage collector pass over what was built for good, and come less often.

    A call or a batch makes hundreds of objects and hardly a cycle; looking for one after every 700 costs some 4 % of a
    worker.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)

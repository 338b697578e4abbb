"""The feature moving in: commands that read the configuration of another gateway."""

from __future__ import annotations

from headgate.admin.features import Feature
from headgate.moving_in.commands import COMMANDS

FEATURE = Feature(
    name="moving_in",
    summary="Reads the configuration of another gateway.",
    package="headgate.moving_in",
    commands=COMMANDS,
)

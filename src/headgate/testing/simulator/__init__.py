"""A provider simulator: an HTTP server for OpenAI's, Anthropic's and Google's wires with scripted answers.

    async with Simulator() as simulator:
        simulator.script(Script(text="Hi"), Script(failure=Failure(429, retry_after_s=2)))
        ...
        assert simulator.requests[0].json["model"] == "m"

As a process: `python -m headgate.testing.simulator --port 9000 --chunks 40 --spacing-ms 20`.
"""

from __future__ import annotations

from headgate.testing.simulator.script import Failure, Framing, Script, Tokens, ToolCall, context_overflow
from headgate.testing.simulator.server import Received, Simulator

__all__ = ["Failure", "Framing", "Received", "Script", "Simulator", "Tokens", "ToolCall", "context_overflow"]

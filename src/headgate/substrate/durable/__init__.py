"""Durable runs: work that a worker takes over when the worker that did it is gone."""

from __future__ import annotations

from headgate.substrate.durable.runs import DurableRun, Later, LeaseLost, RunStatus
from headgate.substrate.durable.workers import Durable, Queue

__all__ = ["Durable", "DurableRun", "Later", "LeaseLost", "Queue", "RunStatus"]

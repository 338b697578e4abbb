"""Labelling and transformation of content.

engine = Engine(builtin_detectors(), cache=folder)
engine.scan_text("write to jane@example.org")      # findings
GuardLabeller(engine=engine)                       # the kernel's Labeller
GuardTransformer(engine=engine, pseudonyms=Pseudonyms(key))  # the kernel's Transformer
"""

from __future__ import annotations

from headgate.guard.answers import AnswerMemory
from headgate.guard.engine import Engine, builtin_detectors
from headgate.guard.labelling import GuardLabeller
from headgate.guard.pseudonyms import Pseudonyms
from headgate.guard.transform import GuardTransformer

__all__ = ["AnswerMemory", "Engine", "GuardLabeller", "GuardTransformer", "Pseudonyms", "builtin_detectors"]

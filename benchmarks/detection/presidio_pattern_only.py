"""Runs Presidio's pattern recognisers without a language model; started by the interpreter of Presidio's environment.

Reads a JSON list of texts on standard input; writes `{"cpu_s": …, "found": [[[kind, start, end], …], …]}`.
"""

import json
import logging
import sys
import time

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine

logging.disable(logging.CRITICAL)  # offline, it logs a traceback while it looks for the public-suffix list


class BlankNlpEngine(SpacyNlpEngine):
    """The tokeniser alone."""

    def __init__(self) -> None:
        super().__init__()
        self.nlp = {"en": spacy.blank("en")}


registry = RecognizerRegistry()
registry.load_predefined_recognizers(languages=["en"])
for name in {recognizer.name for recognizer in registry.recognizers if "Spacy" in recognizer.name}:
    registry.remove_recognizer(name)
analyzer = AnalyzerEngine(registry=registry, nlp_engine=BlankNlpEngine(), supported_languages=["en"])
texts = json.load(sys.stdin)
kinds = ["EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS"]
for text in texts[:20]:
    analyzer.analyze(text, language="en", entities=kinds)
began = time.process_time()
found = [
    [[one.entity_type, one.start, one.end] for one in analyzer.analyze(text, language="en", entities=kinds)]
    for text in texts
]
json.dump({"cpu_s": time.process_time() - began, "found": found}, sys.stdout)

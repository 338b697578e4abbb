"""Content words: the stems of a text without the words that only hold a sentence together."""

from __future__ import annotations

import threading

import snowballstemmer

from headgate.knowledge.terms import Stemmer, tokens

_FUNCTION_WORDS = {
    "english": """
        a about after all also an and any are as at be been before being both but by can could did do does
        during each for from further had has have having he her here him his how i if in into is it its
        itself just may me might more most must my no nor not of off on once only or other our out over own
        please same shall she should so some such tell than that the their them then there these they this
        those through to under until up upon very was we were what when where whether which while who whom
        whose why will with would you your get give gets gives happen happens happened make makes mean means need
        needs take takes use used using
    """,
    "german": """
        aber alle als am an auch auf aus bei bin bis das dass dem den der des die dies diese dieser du durch
        ein eine einem einen einer es für gibt hat haben ich ihr im in ist kann können man mit muss müssen
        nach nicht noch nur oder sein sich sie sind so soll sollen über um und uns unser von vor wann warum
        was welche welcher welches wenn wer werden wie wir wird wo zu zum zur
    """,
    "french": """
        au aux avec ce ces cette comment dans de des du elle en est et il ils je la le les leur lui mais ne
        nous on ou où par pas pour qu que quel quelle qui sa se ses son sont sur un une vous
    """,
    "spanish": """
        al como con cuál cuándo de del el ella en es esta este la las lo los no o para pero por qué que se
        sin su sus un una y
    """,
}
_LEFT_OUT = frozenset(" ".join(_FUNCTION_WORDS.values()).split())


class Words:
    """Content words of texts in any language. English stems also bring most forms of other languages together."""

    def __init__(self) -> None:
        self._stemmer: Stemmer = snowballstemmer.stemmer("english")
        self._lock = threading.Lock()  # a stemmer keeps the word that it works on

    def content(self, text: str) -> list[str]:
        """Return the stems of the content words, in order; the words themselves if there are no others."""
        every = list(tokens(text))
        with self._lock:
            found = [self._stemmer.stemWord(one) for one in every if one not in _LEFT_OUT]
        return found or every

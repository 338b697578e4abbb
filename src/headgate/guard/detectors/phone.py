"""Telephone numbers, international and in the national ways of writing them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import phonenumbers

from headgate.guard.numbering import is_national, plans_of
from headgate.kernel.detection import Candidate, Hit, Pattern
from headgate.kernel.extensions import Manifest

# Words that announce a number, in the languages that our users write most. Followed by little, then the number.
_ANNOUNCED = re.compile(
    r"(?:\b(?:phones?|telephones?|tel|tél|mobile|mob|cell|cellular|handy|mobil|fax|telefax|call(?:ing|ed)?|dial|ring|desk|office|direct|"
    r"landline|hotline|whatsapp|sms|text(?:ed)?|reach(?:ed)?|contact|extension|pager|telefon\w*|rufnummer|rückruf|portable|"
    r"téléphone|teléfono|telefono|móvil|celular|cellulare|telefone|puhelin|telefoon|bel|números?|answer(?:ing)?|messages?|"
    r"number|appelez|appeler|anrufen|erreichbar|llame|chiama)\b|☎|📞)[^\r\n0-9]{0,28}(?:[\r\n]{1,2}[ \t]*)?[(+]?$",
    re.IGNORECASE,
)
# The same as a label behind the number: `555 0100 (office)`, `555 0100-Fax`.
_LABELLED = re.compile(
    r"^[ \t\-,(:/\\]{1,3}(?:phone|telephone|tel|mobile|cell|handy|mobil|fax|office|home|work|desk|direct|landline)\b",
    re.IGNORECASE,
)
# The last thing announced is something else that has a number.
_OTHERWISE = re.compile(
    r"\b(?:orders?|invoice|ticket|case|tracking|account|iban|card|serial|part|model|version|sku|isbn|issn|ean|upc|zip|postal|"
    r"postcode|reference|ref|policy|claim|licen[cs]e|passport|ssn|tax|vat|batch|lot|room|flight|page|id|rechnung\w*|"
    r"bestell\w*|kunden\w*|konto\w*)\b[^\r\n0-9]{0,20}$",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"^(?:(?:19|20)\d\d[\-./ ]\d{1,2}[\-./ ]\d{1,2}|\d{1,2}[\-./ ]\d{1,2}[\-./ ](?:19|20)\d\d)(?:\D|$)"
    r"|^(?:19|20)\d\d[\-/ ](?:19|20)\d\d$"
)
_PLANS = plans_of(("US", "GB", "DE", "FR", "CH", "AT", "IT", "ES", "NL", "BE", "SE", "AU", "IN", "BR", "JP"))


class _Phone:
    manifest = Manifest("detectors", "phone", "Telephone numbers, international and national.")
    category = "pii"
    patterns = (
        Pattern(
            "international",
            r"(?:\+|\b00|\b011[ \-])[ ]?\(?[1-9][0-9]{0,3}\)?(?:[ \t.\-/()]{0,3}[0-9]){5,13}"
            r"(?:[ ,;]{0,2}(?:ext\.? ?|x ?|#)[0-9]{1,6})?\b",
            is_caseless=True,
        ),
        Pattern(
            "american",
            r"(?:\b1[ .\-])?(?:\([2-9][0-9]{2}\) ?|\b[2-9][0-9]{2}[ .\-])[2-9][0-9]{2}[ .\-][0-9]{4}"
            r"(?:[ ,;]{0,2}(?:ext\.? ?|x ?|#)[0-9]{1,6})?\b",
            is_caseless=True,
        ),
        Pattern("trunk", r"(?:\(0[1-9][0-9]{0,4}\)|\b0[1-9][0-9]{0,4})(?:[ .\-/]{1,2}[0-9]{2,8}){1,5}\b"),
        Pattern("grouped", r"(?:\([0-9]{1,4}\)|\b[0-9]{1,4})(?:[ .\-/]{1,2}[0-9]{2,8}){1,5}(?:x[0-9]{1,6})?\b"),
        Pattern("bare", r"\b[0-9]{7,13}(?:x[0-9]{1,6})?\b"),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Weigh the way it is written, the numbering plans and the words around it."""
        digits = sum(char.isdigit() for char in candidate.value.lower().partition("x")[0])
        if not 7 <= digits <= 15 or _is_part_of_more(candidate):
            return ()
        confidence = _confidence(candidate)
        return (Hit(candidate.start, candidate.end, "phone", confidence),) if confidence else ()


def _confidence(candidate: Candidate) -> float:
    value = candidate.value
    if candidate.pattern == "international":
        plain = value if value.startswith("+") else "+" + re.sub(r"^(?:00|011[ -])", "", value)
        return 0.9 if _is_possible(plain.replace("(0)", "")) else 0.0
    before = candidate.before(60)
    # Searching for words takes most of the time, and there are none among figures.
    has_words = not before.isascii() or before.lower() != before.upper()
    if (has_words and _OTHERWISE.search(before)) or _DATE.match(value):
        return 0.0
    is_announced = bool(has_words and _ANNOUNCED.search(before)) or bool(_LABELLED.match(candidate.after(16)))
    match candidate.pattern:
        case "american":
            return 0.85 if is_announced else 0.75
        case "trunk":
            if is_announced:
                return 0.8
            return 0.6 if is_national("".join(filter(str.isdigit, value)), _PLANS) else 0.0
        case "grouped":
            return 0.7 if is_announced else 0.0
        case _:
            return 0.65 if is_announced else 0.0


def _is_part_of_more(candidate: Candidate) -> bool:
    """Tell a piece of a longer number, a decimal or an identifier from a number that stands for itself."""
    before, after = candidate.before(2), candidate.after(2)
    if before[-1:].isalnum() or (
        before[-1:] in ("+", "#", "_", "=", "$", "€", "£") and candidate.pattern != "international"
    ):
        return True
    if before[-1:] in ("-", ".", "/", ":", ",") and before[:1].isdigit():
        return True
    return (after[:1] in ("-", ".", "/", ":", "%", "_") and after[1:].isdigit()) or after[:1] in ("%", "_", "€", "$")


def _is_possible(value: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(value))
    except phonenumbers.NumberParseException:
        return False


detector = _Phone()

"""Telephone numbers in international and national notation."""

from __future__ import annotations

import re
from collections.abc import Iterable

from headgate.guard.detectors import _numbering as numbering
from headgate.guard.detectors._tables import Column, column_pattern
from headgate.guard.detectors._text import OTHER_NUMBERS, is_letter, spaced
from headgate.kernel.detection import Candidate, DetectorManifest, Hit, Kind, Pattern

# Words that announce only telephone numbers, in the languages that our users write most.
_SURELY = (
    r"\b(?:(?:tele)?phones?|tel|t\u00e9l|mobiles?|mob|cell(?:phone|ular)?|handy\w*|mobil(?:nummer|telefon)?|mobilnr|fax|"
    r"telefax|cel|tfno|tlfn|whatsapp|sms|landline|hotline|pager|telefon\w*|tlf|ruf(?:nummer|nr)|r\u00fcckruf\w*|durchwahl|festnetz\w*|"
    r"portable|t\u00e9l\u00e9phone|tel\u00e9fono|telefone|m\u00f3vil|celular|cellulare|puhelin\w*|telefoon\w*|gsm|"
    r"caller id|call ?back(?: numbers?)?|telemovel|telem\u00f3vel|kom\u00f3rka|cep|msisdn|rufnr|numer telefonu|"
    r"\u0442\u0435\u043b\u0435\u0444\u043e\u043d\w*|\u0442\u0435\u043b|\u043c\u043e\u0431|\u03c4\u03b7\u03bb\w*|"
    r"\u03ba\u03b9\u03bd\u03b7\u03c4\u03cc)\b"
)
# Words of scripts without spaces, or with vowel signs that are not letters. They need no word
# boundary.
_ANYWHERE = (
    "电话|電話|手机|手機|座机|座機|热线|携帯|ケータイ|전화|휴대폰|핸드폰|연락처|"
    "هاتف|جوال|موبايل|تلفون|טלפון|נייד|मोबाइल|फोन|फ़ोन|दूरभाष|โทร|มือถือ|☎|📞|📱"
)
# Ambiguous words: the number also needs a telephone notation, or a phrase that announces it.
_PERHAPS = (
    r"\b(?:call(?:ing|ed)?|dial|ring|desk|office|direct|text(?:ed|ing)?|reach(?:ed)?|contact|n\u00fameros?|num\u00e9ro|nummer|"
    r"numbers?|bel|answer(?:ing)?|messages?|appelez|appeler|anrufen|erreichbar|llame|chiama|zuhause|home)\b"
)
_PHRASE = (
    r"\b(?:(?:call|ring|text|reach|contact|message|dial|phone)(?:ed|ing)? (?:me|us|him|her|them|back|you)?[ ]?"
    r"(?:back )?(?:at|on|under)?|(?:my|our|his|her|their|your) (?:[a-z]+ )?numbers?(?: is| are|:)?|"
    r"answer(?:ed|ing)? [a-z ]{0,12}(?:at|on)|erreichbar unter|(?:appelez|appeler)[ \-](?:moi|nous)?[ ]?(?:au)?|"
    r"bel (?:me|mij|ons)?[ ]?(?:op)?|(?:ll\u00e1m|llam)[a-z]* al|chiama(?:mi|te)? (?:al)?|"
    r"leave (?:a )?message (?:at|on)|messages? (?:me |us )?(?:at|on|to)|my registered)\b"
)
_NEAR = r"[^\r\n0-9]{0,28}(?:[\r\n]{1,2}[ \t]*)?[(+]?\Z"
_LABEL = r"\b(?:desk|office|home|work|direct|contact)[*]{0,2}[ ]?:[*]{0,2}[ ]{0,3}\Z"
_ANNOUNCED = re.compile(rf"(?:{_SURELY}|(?:{_ANYWHERE})){_NEAR}|{_LABEL}", re.IGNORECASE)
_SUGGESTED = re.compile(rf"{_PERHAPS}{_NEAR}", re.IGNORECASE)
_ASKED = re.compile(rf"{_PHRASE}[ :]{{0,3}}[^\r\n0-9A-Za-z]{{0,3}}\Z", re.IGNORECASE)
# A label after the number: `555 0100 (office)`, `555 0100-Fax`.
_LABELLED = re.compile(
    r"[ \t\-,(:/\\]{1,3}(?:phone|telephone|tel|mobile|cell|handy|mobil|fax|office|home|work|desk|direct|landline)\b",
    re.IGNORECASE,
)
# The last label before the number is for another kind of number.
_OTHERWISE = re.compile(
    rf"\b({OTHER_NUMBERS}|chapter|section|account|acct|iban|card|zip|postal|postcode|ssn|tax|vat|rooms?|flight|pages?|konto\w*|range|error|"
    r"errors|offsets?|epoch|timestamp|size|amount|hours|time|coordinates|rows?|lines?|port|pid|code|byte\w*|plz)\b"
    r"[^\r\n0-9]{0,20}\Z",
    re.IGNORECASE,
)
# Units and counted things after the number, or more letters of an identifier.
_COUNTED = re.compile(
    r"(?:[ ]?(?:items?|units?|pcs|pieces|times|rows|records|users|bytes|[kmgt]i?b|n?m|mm|cm|km|kg|mg|ms|"
    r"s|sec|eur|usd|gbp|chf|euros?|dollars?|rev|st\u00fcck|percent|hours|h|days|nm|hz|[kmg]hz|v|w|kw)\b|"
    r"[ ]?[\u20ac$\u00a3%]|-[A-Za-z0-9])",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:(?:19|20)\d\d[\-./ ]\d{1,2}[\-./ ]\d{1,2}|\d{1,2}[\-./ ]\d{1,2}[\-./ ](?:19|20)\d\d)(?:\D|$)"
    r"|(?:19|20)\d\d[\-/ ](?:19|20)\d\d$|(?:[01]\d|2[0-4])[0-5]\d-(?:[01]\d|2[0-4])[0-5]\d$"
)
_AREA = re.compile(r"[2-9][0-9]{2}")
_EXTENSION = re.compile(
    r"[ ,;]{0,2}(?:ext(?:ension)?\.?:? ?|x ?|#|durchwahl ?|dw\.? ?|poste ?|int\.? ?)[0-9]{1,6}\b", re.IGNORECASE
)
_ZIP = re.compile(r"[0-9]{5}-[0-9]{4}")
_COLUMN = Column(
    r"(?:[a-z]+[ _\-]?)?(?:phone|telephone|tel|mobile|cell|fax|telefon|handy|mobil|mobilnummer|telefonnummer|"
    r"telefono|telephon)(?:[ _\-]?(?:number|num|no|nr|#|1|2))?\.?"
)
_DIGITS, _JOINTS = "0123456789", " \t.-/()"
_SIGN = re.compile("[\u260e\U0001f4de\U0001f4f1]")
_AROUND = 60
_FEWEST, _MOST = 7, 15
_FEWEST_UNANNOUNCED = 9


class _Phone:
    manifest = DetectorManifest(
        "detectors", "phone", "Telephone numbers, international and national.", kinds=(Kind("phone", "pii"),)
    )
    patterns = (
        Pattern("international", r"(?:\+|\b00|\b011[ \-])[ ]?\(?[1-9][0-9]{0,3}\)?(?:[ \t.\-/()]{0,3}[0-9]){5,13}"),
        Pattern(
            "american", r"(?:\b1[ .\-])?(?:\([2-9][0-9]{2}\)[ \-]?|\b[2-9][0-9]{2}[ .\-])[2-9][0-9]{2}[ .\-][0-9]{4}"
        ),
        Pattern("trunk", r"(?:\(0[1-9][0-9]{0,4}\)|\b0[1-9][0-9]{0,4})(?:[ .\-/]{1,3}[0-9]{1,8}){1,5}"),
        Pattern(
            "grouped",
            r"(?:\b[0-9][ ]?\([0-9]{3}\)|\([0-9]{1,4}\)|\b[0-9]{1,5})(?:[ .\-/]{1,2}[0-9]{2,8}){1,5}",
        ),
        Pattern("bare", r"\b[0-9]{7,13}"),
        column_pattern("column", _COLUMN),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Weigh the notation, the numbering plans and the words around the number."""
        if candidate.pattern == "column":
            return [
                Hit(*cell, "phone", 0.8)
                for cell in _COLUMN.cells(candidate)
                if _is_number(candidate.text[slice(*cell)])
            ]
        candidate = _whole_groups(candidate)
        written = candidate.value
        digits = "".join(filter(str.isdigit, written))
        extension = _EXTENSION.match(candidate.text, candidate.end)
        if extension is not None:
            candidate = candidate._replace(end=extension.end())
        if not _FEWEST <= len(digits) <= _MOST or _is_part_of_more(candidate):
            return ()
        if candidate.pattern == "international":
            confidence = _international(candidate, written, digits)
        else:
            confidence = _national(candidate, written, digits)
        return (Hit(candidate.start, candidate.end, "phone", confidence),) if confidence else ()


def _whole_groups(candidate: Candidate) -> Candidate:
    """Cut the beginning of the next number off the match."""
    if not candidate.after(1).isdigit():
        return candidate
    kept = candidate.value.rstrip(_DIGITS).rstrip(_JOINTS)
    return candidate._replace(end=candidate.start + len(kept))


def _international(candidate: Candidate, written: str, digits: str) -> float:
    plain = "".join(filter(str.isdigit, written.replace("(0)", "")))
    if written.startswith("+"):
        return 0.9 if numbering.is_possible(plain) else 0.0
    prefix = 3 if written.startswith("011") else 2
    tail = _tail(candidate)
    if not numbering.is_valid(plain[prefix:]) or _is_otherwise(tail):
        return 0.0
    return 0.9 if not written.isdigit() or _is_announced(candidate, tail) else 0.0


def _national(candidate: Candidate, written: str, digits: str) -> float:
    if _DATE.match(written):
        return 0.0
    tail = _tail(candidate)
    if _is_otherwise(tail):
        return 0.0
    is_announced = _is_announced(candidate, tail)
    match candidate.pattern:
        case "american":
            return 0.85 if is_announced else 0.75 * _looks_american(candidate, written, tail)
        case "trunk":
            if is_announced:
                return 0.8
            return 0.6 * (_stands_alone(candidate) and _is_trunk(candidate, digits, tail))
        case "grouped":
            return 0.7 * is_announced
        case _:
            return 0.65 * is_announced


def _is_trunk(candidate: Candidate, digits: str, tail: str) -> bool:
    if _ZIP.fullmatch(candidate.value):
        return False
    least = _FEWEST if _SUGGESTED.search(tail) else _FEWEST_UNANNOUNCED
    return len(digits) >= least and len(set(digits)) > 2 and numbering.is_national(digits)


def _looks_american(candidate: Candidate, written: str, tail: str) -> bool:
    area = next(_AREA.finditer(written)).group()
    if not _stands_alone(candidate) or (area[1:] == "00" and area != "800"):
        return bool(_SUGGESTED.search(tail))
    return " " not in written or "(" in written or numbering.is_valid("1" + "".join(filter(str.isdigit, written))[-10:])


def _stands_alone(candidate: Candidate) -> bool:
    """Tell whether the number is not a measure, a count or one of a row of numbers."""
    before, after = candidate.before(2), candidate.after(12)
    if _COUNTED.match(after):
        return False
    return not (before[-1:] == " " and before[:1].isdigit()) and not (after[:1] == " " and after[1:2].isdigit())


def _tail(candidate: Candidate) -> str:
    """Return the text between the number and the last digit before it, with names as words.

    Return an empty string if this text has neither a letter nor a telephone sign.
    """
    before = candidate.before(_AROUND)
    at = len(before)
    while at and not before[at - 1].isdigit():
        at -= 1
    tail = before[at:]
    return spaced(tail) if any(map(str.isalpha, tail)) or _SIGN.search(tail) else ""


def _is_otherwise(tail: str) -> bool:
    """Tell whether the words announce another kind of number, and no telephone after it."""
    found = _OTHERWISE.search(tail) if tail else None
    rest = tail[found.end(1) :] if found else ""
    return found is not None and not (_ANNOUNCED.search(rest) or _ASKED.search(rest))


def _is_announced(candidate: Candidate, tail: str) -> bool:
    if tail and (_ANNOUNCED.search(tail) or _ASKED.search(tail)):
        return True
    return _LABELLED.match(candidate.text, candidate.end, candidate.end + 16) is not None


def _is_number(cell: str) -> bool:
    digits = sum(char.isdigit() for char in cell)
    return _FEWEST <= digits <= _MOST and len(cell) <= 30 and not any(map(str.isalpha, _EXTENSION.sub("", cell)))


def _is_part_of_more(candidate: Candidate) -> bool:
    """Tell whether the match is part of a longer number, a decimal or an identifier."""
    before, after = candidate.before(2), candidate.after(2)
    if (
        is_letter(before[-1:])
        or is_letter(after[:1])
        or (before[-1:] in ("+", "#", "_", "$", "\u20ac", "\u00a3") and candidate.pattern != "international")
    ):
        return True
    if before[-1:] in ("-", ".", "/", ":", ",") and before[:1].isdigit() and candidate.value[0] != "+":
        return True
    return (after[:1] in ("-", ".", "/", ":", "%", "_") and after[1:].isdigit()) or after[:1] in (
        "%",
        "_",
        "\u20ac",
        "$",
    )


detector = _Phone()

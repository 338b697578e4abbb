"""Text functions that several detectors share."""

from __future__ import annotations

import re

# Latin, Greek and Cyrillic letters lie below. Scripts without spaces between words lie above.
_LAST_SPACED_LETTER = "\u052f"
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_JOINTS = str.maketrans("_-.", "   ")

OTHER_NUMBERS = (
    r"orders?|invoices?|tickets?|cases?|tracking|parcels?|shipments?|items?|articles?|art|products?|parts?|models?|drawings?|"
    r"torque|skus?|upcs?|eans?|isbn|issn|gtin|barcodes?|serials?|serial no|snowflakes?|batch|lots?|ids?|guid|uuid|"
    r"references?|refs?|policy|claims?|licen[cs]e|passport|transactions?|booking|receipts?|voucher|vouchers|commit|build|"
    r"version|revision|rma|po|imei|nhs|npi|mrn|vin|duns|cusip|isin|fedex|ups|usps|dhl|gls|dpd|colis|commande|factura|"
    r"facture|pedido|pratica|ordine|fattura|zam\u00f3wienie|rechnung\w*|bestell\w*|auftrag\w*|beleg\w*|buchung\w*|kunden\w*|"
    r"vorgang\w*|sendung\w*|kostenstelle|artikel\w*|seriennummer|teile?nummer|aktenzeichen"
)
"""Words before numbers of other kinds, for a case-insensitive regular expression."""


def is_letter(char: str) -> bool:
    """Tell whether `char` is a letter or digit of a script with spaces between words."""
    return char.isalnum() and char <= _LAST_SPACED_LETTER


def spaced(name: str) -> str:
    """Return a name in snake, kebab or camel case as words with spaces between them."""
    return _CAMEL.sub(" ", name).translate(_JOINTS)


def words(text: str) -> tuple[str, ...]:
    """Split a list at its blanks."""
    return tuple(text.split())

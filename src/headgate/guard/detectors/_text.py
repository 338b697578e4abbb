"""What several detectors ask of the text around a value."""

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
"""Words that announce a number of another kind, for a caseless regular expression."""


def is_letter(char: str) -> bool:
    """Tell whether this is a letter or digit of a script whose words have spaces between them."""
    return char.isalnum() and char <= _LAST_SPACED_LETTER


def spaced(name: str) -> str:
    """Return the words of a name in snake, kebab or camel case with spaces between them."""
    return _CAMEL.sub(" ", name).translate(_JOINTS)


def words(text: str) -> tuple[str, ...]:
    """Return the words of a list that is written with spaces."""
    return tuple(text.split())

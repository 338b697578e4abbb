"""Money in words, for the command line and notices."""

from __future__ import annotations

_UNIT = 1_000_000


def money_words(micros: int, currency: str) -> str:
    """Return an amount of micro-units with two decimals, and with more where they are not zero.

    An amount of a unit or more has at most four.

    >>> money_words(42, "USD"), money_words(1_234_567_890, "USD"), money_words(-3_100_000, "EUR")
    ('$0.000042', '$1,234.5679', '-3.10 EUR')
    """
    decimals = 4 if abs(micros) >= _UNIT else 6
    whole, _, part = f"{abs(micros) / _UNIT:,.{decimals}f}".partition(".")
    amount = f"{whole}.{part.rstrip('0').ljust(2, '0')}"
    sign = "-" if micros < 0 else ""
    return f"{sign}${amount}" if currency == "USD" else f"{sign}{amount} {currency}"

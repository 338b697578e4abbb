"""Usage as a bill in the format FOCUS 1.2 of the FinOps Foundation.

Source: https://focus.finops.org/focus-specification/v1-2/. One line for each day, use case, person, model, deployment
and currency. The cost of a call is what Headgate charged: billed, effective, contracted and list cost are one amount.

The provider is the entity that made a resource available: the company behind the deployment. Of the organisation's own
machines, and of answers from the cache, it is Headgate, and nobody else bills them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from headgate.finops.sources import UNKNOWN, Source, source_of

BY: Final = ("use_case", "person", "model", "deployment")
"""The dimensions of a line, besides the day."""

_COLUMNS: Final[tuple[str, ...]] = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "x_Alias",
    "x_Calls",
    "x_InputTokens",
    "x_OutputTokens",
    "x_Person",
)


class Month(NamedTuple):
    """A month in UTC: from `start` up to, not including, `end`."""

    start: datetime
    end: datetime


class Bill(NamedTuple):
    """The lines as comma-separated values, and how many calls are not in them, because their cost is unknown."""

    text: str
    unpriced: int


def month_of(text: str) -> Month:
    """Return a month from `2026-10`.

    Raises:
        ValueError: it has another form.
    """
    start = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    return Month(start, (start + timedelta(days=32)).replace(day=1))


def days_of(month: Month) -> list[datetime]:
    """Return the starts of a month's days."""
    return [month.start + timedelta(days=day) for day in range((month.end - month.start).days)]


def bill_of(rows: Iterable[Mapping[str, Any]], month: Month, *, sources: Mapping[str, Source]) -> Bill:
    """Return rows of usage by day and `BY` as a bill.

    Args:
        sources: the source of each deployment.
    """
    out, unpriced = io.StringIO(), 0
    writer: csv.DictWriter[str] = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        unpriced += row["figures"]["unpriced"]
        # The tokens and calls of a row are for all of its currencies, so only the first line has them.
        for place, cost in enumerate(row["figures"]["costs"]):
            writer.writerow(_line(row, cost, month, sources=sources, is_first=place == 0))
    return Bill(out.getvalue(), unpriced)


def _line(
    row: Mapping[str, Any], cost: Mapping[str, Any], month: Month, *, sources: Mapping[str, Source], is_first: bool
) -> dict[str, Any]:
    figures, use_case = row["figures"], _safe(row["use_case"] or UNKNOWN)
    alias, deployment = row["model"] or UNKNOWN, row["deployment"] or UNKNOWN
    provider, model = map(_safe, source_of(deployment, alias, sources))
    day = datetime.fromisoformat(row["at"])
    amount = f"{cost['micros'] / 1_000_000:.6f}"
    tokens = figures["input_tokens"] + figures["output_tokens"]
    quantity, unit = (tokens, "Tokens") if tokens else (figures["calls"], "Requests")
    return {
        **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), amount),
        **dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), quantity if is_first else 0),
        **dict.fromkeys(("ConsumedUnit", "PricingUnit"), unit),
        **dict.fromkeys(("InvoiceIssuerName", "ProviderName", "PublisherName"), provider),
        "BillingAccountId": provider,
        "BillingAccountName": provider,
        "BillingCurrency": cost["currency"],
        "BillingPeriodStart": _time(month.start),
        "BillingPeriodEnd": _time(month.end),
        "ChargeCategory": "Usage",
        "ChargeDescription": f"Calls of {model} at {provider} for {use_case}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _time(day),
        "ChargePeriodEnd": _time(day + timedelta(days=1)),
        "ResourceId": _safe(deployment),
        "ResourceName": _safe(deployment),
        "ResourceType": "Deployment",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "ServiceName": model,
        "SubAccountId": use_case,
        "SubAccountName": use_case,
        "SubAccountType": "Use case",
        "x_Alias": _safe(alias),
        "x_Calls": figures["calls"] if is_first else 0,
        "x_InputTokens": figures["input_tokens"] if is_first else 0,
        "x_OutputTokens": figures["output_tokens"] if is_first else 0,
        "x_Person": _safe(row["person_name"] or row["person"] or UNKNOWN),
    }


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _safe(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text

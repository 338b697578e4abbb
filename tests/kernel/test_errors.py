"""Errors carry a stable code and status, and what a caller needs to go on."""

from __future__ import annotations

import pytest

from headgate.kernel import errors
from headgate.kernel.errors import Denied, HeadgateError, NeedsApproval, Upstream, UpstreamTimeout

TABLE = {
    "HeadgateError": ("internal_error", 500),
    "Invalid": ("invalid_request", 400),
    "TooLarge": ("request_too_large", 413),
    "Unauthenticated": ("invalid_api_key", 401),
    "Denied": ("denied", 403),
    "NeedsApproval": ("needs_approval", 403),
    "Withheld": ("withheld", 403),
    "NotFound": ("not_found", 404),
    "Conflict": ("conflict", 409),
    "OverBudget": ("rate_limit_exceeded", 429),
    "ExceedsLimit": ("call_exceeds_limit", 429),
    "Upstream": ("upstream_error", 502),
    "UpstreamTimeout": ("upstream_timeout", 504),
    "Unavailable": ("unavailable", 503),
    "Corrupt": ("corrupt", 500),
}


def test_codes_and_statuses_are_the_ones_that_clients_rely_on() -> None:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HeadgateError)]
    assert {kind.__name__: (kind.code, kind.status) for kind in classes} == TABLE


def test_every_class_stands_in_the_drawn_tree() -> None:
    for name in TABLE:
        assert name in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", [errors.Invalid, errors.NotFound, errors.OverBudget, errors.Unavailable])
def test_an_error_keeps_what_the_caller_needs(kind: type[HeadgateError]) -> None:
    error = kind("gone", param="model", retry_after_s=2.5, record_id="r1")
    assert (error.message, str(error), error.param, error.retry_after_s, error.record_id) == (
        "gone",
        "gone",
        "model",
        2.5,
        "r1",
    )


def test_a_refusal_names_its_rules_and_an_approval_its_id() -> None:
    error = NeedsApproval("ask", approval_id="a1", rules=("r",), record_id="x")
    assert isinstance(error, Denied)
    assert (error.approval_id, error.rules, error.record_id) == ("a1", ("r",), "x")


def test_an_upstream_error_says_whether_another_may_be_tried() -> None:
    assert Upstream("down").retryable
    error = UpstreamTimeout("slow", upstream_status=504, retryable=False, retry_after_s=3.0)
    assert (error.upstream_status, error.retryable, error.retry_after_s) == (504, False, 3.0)

"""The admin API against its own document: whatever is sent, nothing breaks, and answers are what the document says."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis import checks as basic
from schemathesis.specs.openapi import checks as openapi

from headgate import __version__
from headgate.admin.operations import MAX_BODY_BYTES
from headgate.server.api.host import EVERY_OPERATION
from headgate.server.api.openapi import document
from headgate.testing.served import Served

EXAMPLES = 5
ENDLESS = "watchRecords"
CHECKS: list[Any] = [
    getattr(basic, "not_a_server_error"),  # noqa: B009 - its type is unknown to the checker
    *(getattr(openapi, name) for name in ("content_type_conformance", "response_schema_conformance")),
]


def test_every_operation_has_a_name_and_a_place_of_its_own():
    assert len({operation.id for operation in EVERY_OPERATION}) == len(EVERY_OPERATION)
    assert len({(operation.method, operation.path) for operation in EVERY_OPERATION}) == len(EVERY_OPERATION)


def _operations() -> dict[str, Any]:
    schema: Any = schemathesis.openapi.from_dict(dict(document(EVERY_OPERATION, version=__version__)))
    found = [result.ok() for result in schema.get_all_operations()]
    return {operation.definition.raw["operationId"]: operation for operation in found}


# The server's thread draws random numbers when its pool grows, which Hypothesis takes for the strategy's doing.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_breaks_an_operation(served: Served, mode: GenerationMode):
    headers = {"authorization": f"Bearer {served.key}"}
    with requests.Session() as session:
        for name, operation in _operations().items():
            if name == ENDLESS:
                continue

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
                derandomize=True,
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def attempt(case: Any) -> None:
                answer = case.call(base_url=served.url, session=session, headers=headers)
                case.validate_response(answer, checks=CHECKS)

            attempt()


def test_whatever_is_no_request_is_refused_with_a_status_of_its_own(served: Served):
    url, key = served.url, {"authorization": f"Bearer {served.key}"}
    json_type = {**key, "content-type": "application/json"}
    attempts: list[tuple[str, str, dict[str, Any], int]] = [
        ("GET", "/api/nothing", {"headers": key}, 404),
        ("GET", "/api", {"headers": key}, 404),
        ("PATCH", "/api/keys", {"headers": key}, 405),
        ("TRACE", "/api/records", {"headers": key}, 405),
        ("POST", "/api/keys", {"headers": key, "data": "x=1"}, 415),
        ("POST", "/api/keys", {"headers": json_type, "data": b""}, 400),
        ("POST", "/api/keys", {"headers": json_type, "data": b"\xff\xfe"}, 400),
        ("POST", "/api/keys", {"headers": json_type, "data": b"[" * 100_000}, 400),
        ("POST", "/api/keys", {"headers": json_type, "data": b'{"name": "\\ud800"}'}, 400),
        ("POST", "/api/keys", {"headers": json_type, "data": b'{"name": "\\u0000"}'}, 400),
        ("POST", "/api/keys", {"headers": json_type, "data": b'{"name": "a", "name": 1}'}, 400),
        ("POST", "/api/config/plan", {"headers": json_type, "data": b" " * (MAX_BODY_BYTES + 1)}, 413),
        ("GET", "/api/records?limit=99999999999999999999", {"headers": key}, 400),
        ("GET", "/api/records?" + "x" * 9_000, {"headers": key}, 400),
        ("GET", "/api/keys", {"headers": {"authorization": "Basic eDp5"}}, 400),
        ("GET", "/api/keys", {"headers": {"authorization": "Bearer hg_no"}}, 401),
        ("POST", "/api/keys", {"headers": {"content-type": "application/json"}, "data": b"["}, 401),
        ("DELETE", "/api/keys/%00", {"headers": key}, 400),
        ("DELETE", "/api/use-cases/a%2Fb", {"headers": key}, 404),
    ]
    for method, path, request, expected in attempts:
        answer = requests.request(method, url + path, timeout=10, **request)
        assert answer.status_code == expected, (method, path, answer.text)
        assert answer.json()["error"]["code"], path


def test_the_document_is_public_and_describes_every_operation(served: Served):
    answer = requests.get(f"{served.url}/api/openapi.json", timeout=10)
    paths = answer.json()["paths"]
    assert sum(len(methods) for methods in paths.values()) == len(EVERY_OPERATION)

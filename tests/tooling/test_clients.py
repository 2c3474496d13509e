"""Clients that others wrote, against a gateway as it stands in production: they are understood as they are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.secret import Secret
from gateway.identity.api_keys import new_key
from gateway.identity.configuration import ApiKeySettings
from tests.security.served import served
from tests.tooling.node import node

HERE = Path(__file__).parent
PREFLIGHT = "x-gateway-preflight:1"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def production() -> Iterator[tuple[str, str]]:
    """Run a gateway in production; give its endpoint and the header of somebody who may look for faults."""
    text, digest = new_key("reader")
    with served(
        profile="production",
        content_key=Secret("0123456789abcdef" * 4),
        id_keys=Secret("fedcba9876543210" * 8),
        api_keys=(ApiKeySettings(id="reader", sha256=Secret(digest), scopes=("debug", "files:read")),),
    ) as origin:
        yield f"{origin}/graphql", f"authorization:Bearer {text.reveal()}"


def test_production_keeps_graphql_over_http(production: tuple[str, str]) -> None:
    """Each of the audits is ok where a GET needs a header and everybody a credential."""
    # given
    endpoint, key = production

    # when
    outcome = node(HERE / "audit", "audit.js", endpoint, key, PREFLIGHT)

    # then
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert re.search(r"^61 ok of 61$", outcome.stdout, re.MULTILINE)


def test_the_header_is_needed(production: tuple[str, str]) -> None:
    """The audits' bare GET is refused in production, and so is whoever has no credential."""
    # given
    endpoint, key = production

    # when
    bare = node(HERE / "audit", "audit.js", endpoint, key)
    unknown = node(HERE / "audit", "audit.js", endpoint, PREFLIGHT)

    # then
    assert bare.returncode == unknown.returncode == 1
    assert "(HTTP 400" in bare.stdout
    assert "(HTTP 401" in unknown.stdout


def test_apollo_and_urql_register_and_name_queries(production: tuple[str, str]) -> None:
    """Unknown, registered, then a GET of the hash alone: each client three times, without an error in between."""
    # when
    report = _report(*production)

    # then
    for client, register in (("apollo", "POST"), ("urql", "GET")):
        assert len(report[client]["answers"]) == 3
        assert all(answer["sources"] for answer in report[client]["answers"])
        assert [(each["method"], each["named"]) for each in report[client]["requests"]] == [
            ("GET", True),
            (register, False),
            ("GET", True),
            ("GET", True),
        ]
        assert [each["status"] for each in report[client]["requests"]] == [400, 200, 200, 200]
        assert all("graphql-response+json" in each["type"] for each in report[client]["requests"])


def _report(endpoint: str, *headers: str) -> dict[str, Any]:
    outcome = node(HERE / "clients", "persisted.js", endpoint, *headers)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    report: dict[str, Any] = json.loads(outcome.stdout)
    return report

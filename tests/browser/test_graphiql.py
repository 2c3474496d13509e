"""The GraphiQL page as a visitor's browser sees it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.tooling.node import chromium, node

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture
def visit(server_url: str) -> dict[str, Any]:
    """Visit the page once, run every tab, open every panel, and tell what happened (see `graphiql.js`)."""
    outcome = node(HERE, "graphiql.js", server_url, environment={"CHROMIUM": chromium()})
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    report: dict[str, Any] = json.loads(outcome.stdout)
    return report


def test_page_works_alone_and_for_everyone(visit: dict[str, Any]) -> None:
    """A first visitor can run every example; the page asks no other origin, throws nothing, and can be read aloud.

    One visit proves all of it, as each costs a start of the browser.
    """
    # given
    runs = visit["runs"]

    # when
    failed = [run["tab"] for run in runs if "errors" in run["response"] or not run["response"].get("data")]

    # then
    assert len(runs) >= 2
    assert failed == []
    assert all(run["headers"].get("x-gateway-trace") == "1" for run in runs)
    assert any(run["variables"] for run in runs)
    assert visit["foreign"] == []
    assert visit["failures"] == []
    assert len(visit["opened"]) == 5
    assert visit["violations"] == []


async def test_page_forbids_other_origins_and_its_parts_may_be_kept(server_url: str) -> None:
    """The policy allows the gateway alone, and what the page loads has an address that changes with its content."""
    # given
    async with httpx.AsyncClient(base_url=server_url) as client:
        page = await client.get("/graphql", headers={"accept": "text/html"})
        address = page.text.partition('<script src="')[2].partition('"')[0]

        # when
        script = await client.get(address)
        again = await client.get(address, headers={"if-none-match": script.headers["etag"]})
        other_version = await client.get(address.replace(address.split("/")[2], "0" * 16))
        outside = await client.get(f"/static/{address.split('/')[2]}/..%2Fgraphiql.py")

    # then
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"].startswith("text/javascript")
    assert again.status_code == 304
    assert other_version.headers["cache-control"] == "no-cache"
    assert outside.status_code == 404

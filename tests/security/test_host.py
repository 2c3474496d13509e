"""The header `Host`: a page that leads to us by a name of its own (DNS rebinding) gets nothing (CVE-2026-48710)."""

from collections.abc import Iterator

import httpx
import pytest

from gateway.domain.edge import EdgeSettings
from gateway.web.origins import Hosts, host_of, origin_of
from tests.security.served import exchange, served, statuses

PUBLIC = "https://files.example.org"


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Run a gateway with a public address and one more host."""
    with served(public_url=PUBLIC, edge=EdgeSettings(hosts=("gateway.internal:8000",))) as running:
        yield running


def ask(origin: str, *headers: str, path: str = "/schema.graphql") -> int:
    """Ask with the headers of a test alone, and give the status."""
    head = "\r\n".join([f"GET {path} HTTP/1.1", "Connection: close", *headers])
    return statuses(exchange(origin, f"{head}\r\n\r\n".encode("latin-1")))[0]


@pytest.mark.parametrize(
    "host",
    [
        "files.example.org",
        "Files.Example.ORG:443",
        "gateway.internal:8000",
        "localhost:1",
        "127.0.0.1",
        "[::1]:8000",
    ],
)
def test_our_hosts_are_served(origin: str, host: str) -> None:
    """The public address, loopback, and what the operator lists; names know no capitals."""
    # when
    status = ask(origin, f"Host: {host}")

    # then
    assert status == 200


@pytest.mark.parametrize(
    "host",
    [
        "a/../x",
        "evil.example",
        "files.example.org.evil.example",
        "evil.example:files.example.org",
        "files.example.org@evil.example",
        "files.example.org:443:443",
        "files.example.org, evil.example",
        "gateway.internal",
        "gateway.internal:8001",
        "10.0.0.7",
        "127.0.0.1.evil.example",
        "[::ffff:10.0.0.7]",
        "*",
        "é",
        "",
    ],
)
def test_other_hosts_are_not(origin: str, host: str) -> None:
    """Names of others, and what is no name at all, answer 400 wherever they lead."""
    # when
    answers = [ask(origin, f"Host: {host}"), ask(origin, f"Host: {host}", path="/graphql?query={__typename}")]

    # then
    assert answers == [400, 400]


@pytest.mark.parametrize(
    "headers", [(), ("Host: 127.0.0.1", "Host: 127.0.0.1"), ("Host: 127.0.0.1", "Host: evil")]
)
def test_there_is_one_host(origin: str, headers: tuple[str, ...]) -> None:
    """A request without a host, or with two, might be read differently by a proxy."""
    # when
    status = ask(origin, *headers)

    # then
    assert status == 400


def test_probes_ask_by_any_address(origin: str) -> None:
    """Orchestrators ask a container by its address, which nobody configures."""
    # when
    answers = [ask(origin, "Host: 10.0.0.7:8000", path=path) for path in ("/livez", "/readyz")]

    # then
    assert answers == [200, 200]


def test_no_redirect_leads_to_a_foreign_host(origin: str) -> None:
    """A path with a slash too many is led back to the host that was named, which is one of ours."""
    # when
    refused = httpx.get(f"{origin}/graphql/", headers={"host": "evil.example"})
    led = httpx.get(f"{origin}/graphql/", headers={"host": "files.example.org"})

    # then
    assert refused.status_code == 400
    assert led.headers["location"] == "http://files.example.org/graphql"


def test_every_host_can_be_let_in() -> None:
    """Behind a proxy that checks hosts itself one need not list them; what is no host is still refused."""
    # given
    hosts = Hosts(["*"])

    # when
    answers = [hosts.allow(host) for host in (b"anything.example:1", b"a/../x", b"")]

    # then
    assert answers == [True, False, False]


@pytest.mark.parametrize(
    ("url", "host", "origin_"),
    [
        ("https://files.example.org:443/x", "files.example.org", "https://files.example.org"),
        ("http://127.0.0.1:8000", "127.0.0.1", "http://127.0.0.1:8000"),
        ("http://[::1]:80", "[::1]", "http://[::1]"),
    ],
)
def test_addresses_are_written_as_browsers_do(url: str, host: str, origin_: str) -> None:
    """Default ports are left out, and addresses of IPv6 stand in brackets."""
    # then
    assert (host_of(url), origin_of(url)) == (host, origin_)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"hosts": ("https://files.example.org",)}, "`hosts`"),
        ({"hosts": ("Files.example.org",)}, "`hosts`"),
        ({"origins": ("app.example.org",)}, "`origins`"),
        ({"origins": ("https://app.example.org/",)}, "`origins`"),
        ({"origins": ("https://*.example.org",)}, "`origins`"),
        ({"origins": ("https://app.example.org:443",)}, "default ports"),
        ({"origins": ("null",)}, "`origins`"),
        ({"origins": ("*",), "credentials": True}, "`credentials`"),
    ],
)
def test_mistakes_of_the_operator_are_told(given: dict[str, object], told: str) -> None:
    """A list that could never match, or would match too much, is no setting."""
    # when
    with pytest.raises(ValueError, match=told) as error:
        EdgeSettings(**given)

    # then
    assert len(str(error.value).splitlines()) == 1

"""Addresses that a source hands the gateway: none leads to where the operator did not say (OWASP: SSRF)."""

import socket

import pytest
from starlette.responses import PlainTextResponse, RedirectResponse

from gateway.domain.errors import BadResponse, GatewayError
from gateway.domain.secret import Secret
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream
from gateway.transport.auth import bearer
from gateway.transport.call import Call
from gateway.transport.client import SourceClient
from gateway.transport.egress import Addresses, Egress
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Limits, Request
from gateway.transport.networks import is_allowed
from tests.security.canary import Canary, canary, corpus, names_of

CORPUS = corpus("addresses")
LIMITS = Limits(connect_timeout=5, try_timeout=5)


def addresses(port: int) -> list[str]:
    """Give the hostile addresses, which want to reach a port of ours."""
    return [url.replace("{port}", str(port)) for url in CORPUS["urls"]]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve the names of the corpus as their owners would."""
    monkeypatch.setattr(socket, "getaddrinfo", names_of(CORPUS["names"]))


async def outcome(egress: Egress, url: str) -> GatewayError | int:
    """Get an address, whatever comes of it."""
    try:
        async with egress.stream(url, Call.lasting(10)) as stream:
            return stream.status
    except GatewayError as exc:
        return exc


async def visits(found: Canary) -> int:
    """Make sure that the canary would have seen a visit, and count those it had before."""
    before = len(found.visits)
    exchange = Exchange("control", LIMITS, private=True)
    with pytest.raises(GatewayError):
        await exchange.send(Request("GET", f"http://127.0.0.1:{found.port}/"), 10)
    await exchange.aclose()
    assert len(found.visits) > before, "the canary sees nothing"
    return before


@pytest.mark.usefixtures("resolver")
async def test_the_list_of_hosts_lets_none_of_them_through() -> None:
    """Sixty ways to say another host than the one that is allowed: all are refused before a connection."""
    # given
    exchange = Exchange("source", LIMITS, private=False)
    egress = Egress("source", frozenset({"files.example.org", "files.example.org:8443"}), exchange)
    with canary() as found:
        # when
        outcomes = [await outcome(egress, url) for url in addresses(found.port)]
        seen = await visits(found)
    await exchange.aclose()

    # then
    assert len(outcomes) == 60
    assert {type(one) for one in outcomes} == {BadResponse}
    assert seen == 0


@pytest.mark.usefixtures("resolver")
async def test_the_addresses_alone_are_refused_too() -> None:
    """Were every host allowed, no socket would be opened to an address that is private or nobody's."""
    # given
    exchange = Exchange("source", LIMITS, private=False)
    outcomes = []
    with canary() as found:
        # when
        for url in addresses(found.port):
            with pytest.raises(GatewayError) as refused:
                async with exchange.stream(Request("GET", url)):
                    pass
            outcomes.append(refused.value)
        seen = await visits(found)
    await exchange.aclose()

    # then
    assert len(outcomes) == 60
    assert seen == 0
    assert sum("private_links" in one.message for one in outcomes) > 30


@pytest.mark.usefixtures("resolver")
async def test_redirects_are_judged_like_first_addresses() -> None:
    """A source that redirects to any of them gets no further, though its own address may be private."""
    # given
    source = SandboxUpstream("source", PlainTextResponse("never"))
    outcomes: list[BadResponse] = []
    with canary() as found, in_thread(source) as origin:
        exchange, foreign = Exchange("source", LIMITS), Exchange("source", LIMITS, private=False)
        client = SourceClient("source", f"{origin}/api", bearer(Secret("the-key")), exchange)
        follow = Addresses(client, Egress("source", frozenset({"files.example.org"}), foreign))

        # when
        for url in addresses(found.port):
            source.app = RedirectResponse(url)
            with pytest.raises(BadResponse) as refused:
                async with follow.stream(f"{origin}/api/file", Call.lasting(10), {}, {}):
                    pass
            outcomes.append(refused.value)
        seen = await visits(found)
        await exchange.aclose()
        await foreign.aclose()

    # then
    assert len(outcomes) == 60
    assert seen == 0


async def test_a_name_is_looked_up_once_for_each_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers well when it is checked and badly when it is used finds no second look."""
    # given
    answers = ["127.0.0.1", "169.254.169.254"]
    asked: list[str] = []
    genuine = socket.getaddrinfo

    def flipping(host: str, *rest: object, **named: object) -> object:
        if host == "flips.example":
            asked.append(host)
            host = answers[min(len(asked), 2) - 1]
        return genuine(host, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", flipping)
    store = SandboxUpstream("store", PlainTextResponse("bytes"))
    with in_thread(store) as origin:
        port = origin.rpartition(":")[2]
        exchange = Exchange("source", LIMITS, private=True)
        egress = Egress("source", frozenset({f"flips.example:{port}"}), exchange, private=True)

        # when
        status = await outcome(egress, f"http://flips.example:{port}/a")
        lookups = len(asked)
        await exchange.aclose()
        fresh = Exchange("source", LIMITS, private=True)
        refused = await outcome(
            Egress("source", egress.hosts, fresh, private=True), f"http://flips.example:{port}/a"
        )
        await fresh.aclose()

    # then
    assert (status, lookups, len(asked)) == (200, 1, 2)
    assert isinstance(refused, BadResponse)


@pytest.mark.parametrize("hops", [1, 2, 3])
async def test_two_redirects_are_followed_and_no_credential_leaves(hops: int) -> None:
    """Downloads may be redirected to a store; it sees neither the credential nor the headers of the source."""
    # given
    store = SandboxUpstream("store", PlainTextResponse("bytes"))
    source = SandboxUpstream("source", PlainTextResponse("never"))
    with in_thread(store) as elsewhere, in_thread(source) as origin:
        exchange, foreign = Exchange("source", LIMITS), Exchange("source", LIMITS, private=True)
        client = SourceClient("source", f"{origin}/api", bearer(Secret("the-key")), exchange)
        host = elsewhere.removeprefix("http://")
        follow = Addresses(client, Egress("source", frozenset({host}), foreign, private=True))
        chain = [f"/api/{hop}" for hop in range(1, hops)] + [f"{elsewhere}/file"]
        source.app = _Chain(chain)

        # when
        try:
            async with follow.stream(
                f"{origin}/api/0", Call.lasting(10), {"Accept": "*/*"}, {"X-Own": "o"}
            ) as stream:
                body: object = b"".join([chunk async for chunk in stream.chunks])
        except BadResponse as exc:
            body = exc.message
        await exchange.aclose()
        await foreign.aclose()

    # then
    assert body == (b"bytes" if hops < 3 else "The source redirects from one address to the next.")
    assert all(one.headers["authorization"] == "Bearer the-key" for one in source.requests)
    assert [one.path for one in store.requests] == (["/file"] if hops < 3 else [])
    assert not any({"authorization", "x-own", "cookie"} & one.headers.keys() for one in store.requests)


class _Chain:
    """Redirects along a chain of addresses, one further for each request."""

    def __init__(self, targets: list[str]) -> None:
        self._targets = iter(targets)

    async def __call__(self, *connection: object) -> None:
        await RedirectResponse(next(self._targets))(*connection)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "strict", "lenient"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("64:ff9b::93.184.216.34", True, True),
        ("::ffff:93.184.216.34", True, True),
        ("10.1.2.3", False, True),
        ("172.31.255.255", False, True),
        ("172.32.0.1", True, True),
        ("192.168.0.1", False, True),
        ("100.64.0.1", False, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("fd12::1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("64:ff9b::10.0.0.1", False, True),
        ("2002:a00:1::", False, True),
        ("0.0.0.0", False, False),  # noqa: S104 - what is refused
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("100.100.100.200", False, False),
        ("168.63.129.16", False, False),
        ("192.0.0.192", False, False),
        ("fd00:ec2::254", False, False),
        ("fe80::1", False, False),
        ("fec0::1", False, False),
        ("::", False, False),
        ("::127.0.0.1", False, False),
        ("2001:0:4136:e378::1", False, False),
        ("64:ff9b:1::1", False, False),
        ("ff02::1", False, False),
        ("224.0.0.1", False, False),
        ("255.255.255.255", False, False),
    ],
)
def test_addresses_are_public_private_or_nobodys(address: str, *, strict: bool, lenient: bool) -> None:
    """An operator may allow his own networks; what clouds keep for the machine itself he may not."""
    # when
    judged = is_allowed(address, private=False), is_allowed(address, private=True)

    # then
    assert judged == (strict, lenient)

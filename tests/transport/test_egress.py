"""Tests of requests to addresses that a source handed us."""

from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import Receive, Scope, Send

from gateway.domain.errors import BadResponse
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream
from gateway.transport.call import Call
from gateway.transport.egress import Egress
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Limits

HOSTS = frozenset({"store.example", "127.0.0.1:9000", "other.example:8443"})


@pytest.fixture
def egress() -> Egress:
    """Open a door to three hosts."""
    return Egress("source", HOSTS, Exchange("source", Limits(), private=True), private=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://store.example/a?X-Amz-Signature=1",
        "https://STORE.example/a",
        "https://store.example:8443/a",
        "https://other.example:8443/a",
        "http://127.0.0.1:9000/a",
    ],
)
def test_named_hosts_may_be_followed(egress: Egress, url: str) -> None:
    """Over TLS, or without it where the operator named the port too."""
    # given
    given = url

    # when
    checked = egress.check(given)

    # then
    assert checked == url


@pytest.mark.parametrize(
    "url",
    [
        "http://store.example/a",
        "https://other.example/a",
        "https://elsewhere.example/a",
        "https://store.example.elsewhere.example/a",
        "https://elsewhere.example/store.example",
        "https://store.example@elsewhere.example/a",
        "https://user:password@store.example/a",
        "https://elsewhere.example\\@store.example/a",
        "https://store.example.:443/a",
        "http://127.0.0.1:9001/a",
        "http://127.0.0.1/a",
        "http://[::1]:9000/a",
        "http://2130706433:9000/a",
        "ftp://store.example/a",
        "file:///etc/passwd",
        "javascript:alert(1)//store.example",
        "//store.example/a",
        "/a",
        "https://[store.example/a",
        "https://store.example:port/a",
        "",
    ],
)
def test_everything_else_is_refused(egress: Egress, url: str) -> None:
    """Whatever an address pretends to be; the error does not repeat it, for it may be signed."""
    # given
    given = url

    # when
    with pytest.raises(BadResponse) as refused:
        egress.check(given)

    # then
    assert "link_hosts" in refused.value.message
    assert not url or url not in refused.value.message


async def test_no_credential_and_no_redirect() -> None:
    """A foreign host sees the address alone, and cannot send us on to a third one."""
    # given
    stranger = SandboxUpstream("stranger", PlainTextResponse("never"))
    store = SandboxUpstream("store", PlainTextResponse("bytes"))
    with in_thread(stranger) as elsewhere, in_thread(store) as origin:
        exchange = Exchange("source", Limits(), private=True)
        egress = Egress("source", frozenset({origin.removeprefix("http://")}), exchange, private=True)

        # when
        async with egress.stream(f"{origin}/a?sig=%2f1", Call.lasting(5), {"Range": "bytes=0-1"}) as stream:
            body = b"".join([chunk async for chunk in stream.chunks])
        store.app = RedirectResponse(f"{elsewhere}/b")
        async with egress.stream(f"{origin}/a", Call.lasting(5)) as redirected:
            status = redirected.status
        await exchange.aclose()

    # then
    assert (body, status) == (b"bytes", 307)
    assert list(stranger.requests) == []
    assert (store.requests[0].path, store.requests[0].query) == ("/a", "sig=%2f1")
    assert store.requests[0].headers["range"] == "bytes=0-1"
    assert store.requests[0].headers["accept-encoding"] == "identity"
    assert not {"authorization", "cookie", "x-api-key"} & store.requests[0].headers.keys()


async def test_a_put_is_sent_once_and_as_it_is() -> None:
    """Bytes go with their length, without a credential, and to nobody else; the trace shows no signature."""
    # given
    stranger = SandboxUpstream("stranger", PlainTextResponse("never"))
    store = SandboxUpstream("store", _Keeping())
    call = Call.lasting(5, traced=True)
    with in_thread(stranger) as elsewhere, in_thread(store) as origin:
        exchange = Exchange("source", Limits(), private=True)
        egress = Egress("source", frozenset({origin.removeprefix("http://")}), exchange, private=True)

        # when
        headers = {"Content-Length": "6", "Content-Type": "text/plain"}
        kept = await egress.put(f"{origin}/a?sig=%2f1", call, headers, _pieces())
        store.app = RedirectResponse(f"{elsewhere}/b")
        redirected = await egress.put(f"{origin}/a", call, headers, _pieces())
        with pytest.raises(BadResponse):
            await egress.put(f"{elsewhere}/a", call, headers, _pieces())
        await exchange.aclose()

    # then
    assert (kept.status, kept.body, redirected.status) == (200, b"abcdef", 307)
    assert list(stranger.requests) == []
    seen = store.requests[0]
    assert (seen.method, seen.query, seen.headers["content-length"]) == ("PUT", "sig=%2f1", "6")
    assert {"authorization", "cookie", "transfer-encoding"}.isdisjoint(seen.headers)
    assert [(one.method, one.path, one.status) for one in call.trace or ()] == [
        ("PUT", "/a", 200),
        ("PUT", "/a", 307),
    ]


class _Keeping:
    """Answers what it is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        await PlainTextResponse(body)(scope, receive, send)


async def _pieces() -> AsyncIterator[bytes]:
    for piece in (b"abc", b"def"):
        yield piece


async def test_a_refused_address_opens_no_connection(egress: Egress) -> None:
    """The check comes before the request."""
    # given
    stranger = SandboxUpstream("stranger", PlainTextResponse("never"))

    # when
    with in_thread(stranger) as origin, pytest.raises(BadResponse):
        async with egress.stream(f"{origin}/a", Call.lasting(5)):
            pass

    # then
    assert list(stranger.requests) == []

"""Tests of where a source's client goes: paths, queries, and which addresses are the source's own."""

import pytest

from gateway.domain.errors import BadInput
from gateway.transport.call import Call
from gateway.transport.client import join_path
from tests.transport.scripted import BASE, ScriptedExchange, client_of


async def test_the_query_is_encoded_and_the_trace_does_not_show_it() -> None:
    """A query may hold what is nobody's business; a trace shows paths."""
    # given
    exchange = ScriptedExchange()
    call = Call.lasting(5, traced=True)

    # when
    await client_of(exchange).get("/things", call, query=(("q", "é&=/"),))

    # then
    assert exchange.requests[0].url == f"{BASE}/things?q=%C3%A9%26%3D%2F"
    assert [(one.method, one.path, one.status, one.shared) for one in call.trace or ()] == [
        ("GET", "/api/things", 200, False)
    ]


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        (("a", "b"), "/a/b"),
        (("é\"'",), "/%C3%A9%22%27"),
        (("a/b",), "/a%2Fb"),
        (("a..b",), "/a..b"),
        (("...",), "/..."),
        (("?x=1#y",), "/%3Fx%3D1%23y"),
        (("100%",), "/100%25"),
    ],
)
def test_identifiers_stay_in_their_segment(segments: tuple[str, ...], path: str) -> None:
    """No identifier can reach another path of the source."""
    # given
    given = segments

    # when
    joined = join_path(*given)

    # then
    assert joined == path


@pytest.mark.parametrize(
    "segment",
    [
        "",
        ".",
        "..",
        "a/../b",
        "../a",
        "a\\..",
        "..;/a",
        "/a",
        "a//b",
        "%2e%2e",
        "%2E%2e%2fa",
        "%252e%252e%252fa",
        "a%2f..",
        "\0\r\n",
        "a%0d%0aHost: b",
        "a\x7f",
    ],
)
def test_identifiers_that_are_paths_are_refused(segment: str) -> None:
    """Dots survive percent-encoding, and some servers decode what is between them, so these are never sent."""
    # given
    given = ("things", segment)

    # when
    with pytest.raises(BadInput) as refused:
        join_path(*given)

    # then
    assert "identifier" in refused.value.message


@pytest.mark.parametrize(
    ("url", "own"),
    [
        (f"{BASE}/things?x=1", True),
        (BASE, True),
        ("https://source.example/apis/things", False),
        ("https://source.example/api/../admin", False),
        ("https://source.example/api/%2e%2e/admin", False),
        ("https://source.example/api/x%5c..%5cadmin", False),
        ("http://source.example/api/things", False),
        ("https://source.example:8443/api/things", False),
        ("https://source.example.evil.example/api/things", False),
        ("https://source.example@evil.example/api/things", False),
        ("https://key@source.example/api/things", False),
        ("//source.example/api/things", False),
        ("/api/things", False),
        ("https://[source.example/api", False),
        ("", False),
    ],
)
async def test_only_addresses_below_the_base_are_its_own(url: str, own: bool) -> None:
    """The credential goes nowhere else, however much an address looks like the source's."""
    # given
    client = client_of(ScriptedExchange())

    # when
    owned = client.owns(url)

    # then
    assert owned is own


async def test_an_own_address_is_used_as_it_is_written() -> None:
    """Encoding it anew could break a signature in it."""
    # given
    exchange = ScriptedExchange()
    client = client_of(exchange)
    url = f"{BASE}/things/a%2Fb?next=%c3%a9"

    # when
    await client.get(client.path_of(url), Call.lasting(5))

    # then
    assert exchange.requests[0].url == url

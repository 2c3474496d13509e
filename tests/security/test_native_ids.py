"""Identifiers that clients choose: none leads a request out of the path that is meant for it."""

import asyncio
import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from urllib.parse import unquote

import pytest

from gateway.domain.errors import GatewayError
from gateway.domain.refs import Ref, RefType
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream, SeenRequest
from gateway.sandbox.world import SERVERS, make_apps, make_sources
from gateway.transport.call import Call
from gateway.upstreams.base import Adapter, SupportsContent, SupportsDelete, SupportsSignedLinks
from gateway.upstreams.registry import open_source
from tests.security.canary import corpus

IDS: list[str] = corpus("ids")
PLACE = r"[^/?#]+"
TEMPLATES = {
    "arrhes": (
        "/v1/organizations/",
        rf"/v1/organizations/{PLACE}/years/{PLACE}/(files|folders)(/{PLACE}(/\w+-url)?)?",
    ),
    "decisiv": ("/platform_api/cases/", rf"/platform_api/cases/{PLACE}/attachments(/{PLACE})?"),
    "directmail": ("/api/v2/projects/", rf"/api/v2/projects/{PLACE}/messages/{PLACE}/attachments(/{PLACE})?"),
    "espocrm": ("/api/v1/", rf"/api/v1/(Attachment/file|\w+)(/{PLACE}(/\w+)?)?"),
    "maarch": ("/rest/", r"/rest/(attachments/\d+(/originalContent)?|resources/\d+/attachments)"),
}
"""What a path begins with even for who decodes it twice, and what it looks like."""
REFS: Mapping[str, tuple[tuple[RefType, int], ...]] = {
    "arrhes": ((RefType.FILE, 1), (RefType.FOLDER, 1), (RefType.LIBRARY, 2)),
    "decisiv": ((RefType.ATTACHMENT, 2), (RefType.RECORD, 1)),
    "directmail": ((RefType.ATTACHMENT, 3), (RefType.RECORD, 2)),
    "espocrm": ((RefType.ATTACHMENT, 1), (RefType.RECORD, 2), (RefType.RECORD, 3)),
    "maarch": ((RefType.ATTACHMENT, 1), (RefType.RECORD, 1)),
}
"""The forms of each kind's references: how many parts their keys have."""
LONG_LISTS = ("arrhes",)
"""Kinds that are asked for a list of a thousand for each identifier that is not there."""
KNOWN = {
    "arrhes": "org1",
    "decisiv": "CASE-1001",
    "directmail": "187812f26ba37d9769d8691d2a83c95c",
    "espocrm": "Note",
    "maarch": "100",
}
"""What a place holds that is as it should be."""


@pytest.fixture(scope="module")
def upstreams() -> Iterator[tuple[Mapping[str, SandboxUpstream], Mapping[str, str]]]:
    """Run the five systems."""
    with ExitStack() as stack:
        found = {name: SandboxUpstream(name, _never) for name in SERVERS}
        origins = {name: stack.enter_context(in_thread(one)) for name, one in found.items()}
        for name, app in make_apps(origins, None).items():
            found[name].app = app
        yield found, origins


async def _never(*_: object) -> None:
    raise RuntimeError("asked too early")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in LONG_LISTS)) for kind in sorted(TEMPLATES)]
)
async def test_paths_stay_in_their_template(
    kind: str, upstreams: tuple[Mapping[str, SandboxUpstream], Mapping[str, str]]
) -> None:
    """A hundred identifiers in each place of each key: the source sees the path that was meant, or nothing."""
    # given
    found, origins = upstreams
    settings = next(one for one in make_sources(origins) if one.kind == kind)
    adapter = open_source(settings)
    refs = [ref for form, length in REFS[kind] for ref in _hostile(kind, form, length)]
    found[kind].requests.clear()

    # when
    outcomes = await asyncio.gather(*(_everything(adapter, ref) for ref in refs))
    await adapter.aclose()

    # then
    prefix, template = TEMPLATES[kind]
    seen = list(found[kind].requests)
    strays = [one for one in seen if not _stays(one, prefix, re.compile(template))]
    assert len(IDS) == len(set(IDS)) == 100
    assert strays == []
    assert not any(isinstance(one, Exception) for one in outcomes)
    assert {one.headers["host"] for one in seen} <= {origins[kind].removeprefix("http://")}


def _hostile(kind: str, form: RefType, length: int) -> Iterator[Ref]:
    """Put each identifier into each place of a key whose other places are as they should be."""
    for place in range(length):
        for native_id in IDS:
            key = [KNOWN[kind]] * length
            key[place] = native_id
            yield Ref(kind, form, tuple(key))


async def _everything(adapter: Adapter, ref: Ref) -> Exception | None:
    """Do with a reference what a client can; typed errors are what is expected."""
    call = Call.lasting(60)
    try:
        await adapter.fetch([ref], call)
        await adapter.children([ref], call)
        if isinstance(adapter, SupportsDelete):
            await adapter.delete([ref], call)
        if isinstance(adapter, SupportsSignedLinks):
            await adapter.sign(ref, call)
        elif isinstance(adapter, SupportsContent):
            async with adapter.open(ref, call):
                pass
    except GatewayError:
        return None
    except Exception as exc:  # noqa: BLE001 - the test shows what it was
        return exc
    return None


def _stays(request: SeenRequest, prefix: str, template: re.Pattern[str]) -> bool:
    decoded = unquote(unquote(request.path))
    controls = any(ord(character) < 32 for character in decoded)
    return (
        bool(template.fullmatch(request.path))
        and posixpath.normpath(decoded).startswith(prefix)
        and not controls
    )

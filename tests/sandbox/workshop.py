"""What the tests of the sandbox Decisiv Platform API share: a clock, its XML, and uploads."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

import httpx
from defusedxml.ElementTree import fromstring

from gateway.sandbox.decisiv import seed
from gateway.sandbox.decisiv.app import create_app
from gateway.sandbox.decisiv.state import State
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream

CASE = "/platform_api/cases/CASE-1001/attachments"
SPACES = "http://www.decisiv.net/platform_api/0.0.7/Case/"
A, S = f"{{{SPACES}AttachmentResponse}}", f"{{{SPACES}SenderResponse}}"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 9, 0, 30, 700_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now


@contextmanager
def workshops() -> Iterator[tuple[SandboxUpstream, str]]:
    """Start one server for the tests of a file, since a start takes longer than a test."""
    upstream = SandboxUpstream("decisiv", create_app(State()))
    with in_thread(upstream) as origin:
        yield upstream, origin


def client_of(served: tuple[SandboxUpstream, str], state: State) -> httpx.Client:
    """Put a test's own state into the server and make a client with the static token."""
    upstream, origin = served
    upstream.app = create_app(state)
    headers = {"Authorization": f"Bearer {seed.TOKEN}", "Accept": "application/xml"}
    return httpx.Client(base_url=origin, headers=headers)


def names(element: Element) -> list[str]:
    """List the local names of the children, in their order."""
    return [child.tag.partition("}")[2] for child in element]


def own(element: Element, client: httpx.Client, name: str) -> str:
    """Take a path of this server out of an absolute address."""
    return (element.findtext(A + name) or "").removeprefix(str(client.base_url).rstrip("/"))


def request_xml(content: str, space: str = "Request") -> str:
    """Write the ``body`` part of an upload."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<a:attachment xmlns:a="{SPACES}Attachment{space}" '
        f'xmlns:s="{SPACES}Sender{space}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{content}</a:attachment>'
    )


DESCRIBED = request_xml("<a:description>Facture</a:description><a:internal>true</a:internal>")


def post(
    client: httpx.Client, body: str = DESCRIBED, content: bytes = b"bytes", path: str = CASE
) -> httpx.Response:
    """Upload a file."""
    return client.post(path, data={"body": body}, files={"file": ("facture n°7.pdf", content)})


def part(head: str, content: bytes) -> bytes:
    """Write one part of a hand-made body with the boundary ``b``."""
    return b"--b\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def post_raw(client: httpx.Client, *parts: bytes, end: bytes = b"--b--\r\n") -> httpx.Response:
    """Upload a hand-made body."""
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return client.post(CASE, content=b"".join(parts) + end, headers=headers)


BODY_PART = part('Content-Disposition: form-data; name="body"', DESCRIBED.encode())


def invalid(answer: httpx.Response) -> tuple[str, str]:
    """Read field and code of a 422 behind its doubled declaration."""
    space = f"{{{SPACES}422ErrorResponse}}"
    root = fromstring(answer.content.partition(b"\n")[2])
    assert root.tag == f"{space}UnprocessableEntityErrorResponse"
    error = root.find(f"{space}errors/{space}error")
    return error.findtext(f"{space}field"), error.findtext(f"{space}code")

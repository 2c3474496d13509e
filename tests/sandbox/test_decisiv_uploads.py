"""What the sandbox Decisiv Platform API makes of uploads: multipart bodies, request XML, limits."""

import base64
from collections.abc import Iterator

import httpx
import pytest
from defusedxml.ElementTree import ParseError, fromstring
from starlette.types import Message

from gateway.sandbox.decisiv import seed
from gateway.sandbox.decisiv.app import create_app
from gateway.sandbox.decisiv.state import State
from gateway.sandbox.upstream import SandboxUpstream
from tests.sandbox.workshop import (
    BODY_PART,
    CASE,
    DESCRIBED,
    SPACES,
    A,
    Clock,
    S,
    client_of,
    invalid,
    own,
    part,
    post,
    post_raw,
    request_xml,
    workshops,
)


@pytest.fixture
def state() -> State:
    """Make the demo's cases."""
    return seed.seeded(Clock())


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[SandboxUpstream, str]]:
    """Start the server."""
    with workshops() as running:
        yield running


@pytest.fixture
def client(served: tuple[SandboxUpstream, str], state: State) -> Iterator[httpx.Client]:
    """Make a client of the demo's cases."""
    with client_of(served, state) as made:
        yield made


@pytest.mark.parametrize("content", [b"", b"x", b"\r\n--b\r\n" + bytes(range(256)) * 3000])
def test_upload_comes_back(client: httpx.Client, state: State, content: bytes) -> None:
    """An upload answers 201 with its document, appears in the list, and downloads equal, from a file on disk."""
    # given a file and its request
    body = request_xml(
        "<s:sender><s:id>u-203</s:id></s:sender><a:description>Facture &amp; reçu</a:description>"
        "<a:internal>1</a:internal>"
    )

    # when it is uploaded
    answer = post(client, body, content)
    root = fromstring(answer.content)

    # then everything that was sent is there
    assert answer.status_code == 201
    assert root.findtext(f"{A}description") == "Facture & reçu"
    assert root.findtext(f"{A}filename") == "facture n°7.pdf"
    assert root.findtext(f"{A}size") == str(len(content))
    assert root.findtext(f"{A}internal") == "true"
    assert root.findtext(f"{A}createdAt") == "2026-05-04T09:00:30.7"
    assert root.findtext(f"{S}sender/{S}name") == "Élise Bergeron"
    assert own(root, client, "URL") in {
        own(item, client, "URL") for item in fromstring(client.get(CASE).content)
    }
    assert client.get(own(root, client, "downloadURL")).content == content
    assert [path.stat().st_size for path in state.folder.iterdir()] == [len(content)]


@pytest.mark.parametrize("internal", ["", '<a:internal xsi:nil="true"/>', "<a:internal>0</a:internal>"])
def test_upload_defaults(client: httpx.Client, internal: str) -> None:
    """Without ``internal`` both parties see the file; without a sender a default user is taken."""
    # given a request with little more than a description
    body = request_xml(f"<a:description>Photo</a:description>{internal}")

    # when it is sent
    root = fromstring(post(client, body).content)

    # then the defaults are those of the documentation
    assert root.findtext(f"{A}internal") == "false"
    assert root.findtext(f"{S}sender/{S}name") == "Josée Tremblay"


def test_same_upload_twice_makes_two(client: httpx.Client) -> None:
    """POST is not idempotent: a retry shows customers a duplicate."""
    # given an upload
    before = len(fromstring(client.get(CASE).content))

    # when it is sent twice
    once, again = (fromstring(post(client).content) for _ in range(2))

    # then there are two attachments
    assert once.findtext(f"{A}URL") != again.findtext(f"{A}URL")
    assert len(fromstring(client.get(CASE).content)) == before + 2


@pytest.mark.parametrize(
    "body",
    [
        request_xml("<a:description>x</a:description>", "Response"),
        "<attachment><description>x</description></attachment>",
        request_xml("<a:description>x</a:description><a:public>true</a:public>"),
        request_xml("<a:description>x</a:description><a:sender><a:id>u-201</a:id></a:sender>"),
        request_xml("<a:description>x</a:description><a:description>y</a:description>"),
        '<!DOCTYPE a [<!ENTITY e "x">]>' + DESCRIBED.partition("\n")[2],
        "no xml",
        request_xml(f"<a:description>{'x' * 70_000}</a:description>"),
    ],
)
def test_wrong_request_xml_is_400(client: httpx.Client, state: State, body: str) -> None:
    """Response namespaces, unknown elements, a DTD or no XML: 400 in the namespace of errors, nothing kept."""
    # given a body that the request schema does not describe
    # when it is uploaded
    answer = post(client, body)
    root = fromstring(answer.content)

    # then the answer says 400 in its own words, and no bytes stay
    space = f"{{{SPACES}400ErrorResponse}}"
    assert (answer.status_code, root.tag) == (400, f"{space}BadRequestResponse")
    assert root.findtext(f"{space}status") == "400 Bad Request"
    assert root.findtext(f"{space}message")
    assert list(state.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "field", "code"),
    [
        ("<a:internal>true</a:internal>", "description", "missing_field"),
        ("<a:description> </a:description>", "description", "missing_field"),
        ("<a:description>x</a:description><a:internal>vrai</a:internal>", "internal", "invalid"),
        ("<a:description>x</a:description><s:sender><s:id>u-0</s:id></s:sender>", "sender", "missing"),
    ],
)
def test_bad_values_are_422(client: httpx.Client, state: State, content: str, field: str, code: str) -> None:
    """Broken rules give 422, whose body has two XML declarations and is no XML as it stands."""
    # given a request with a bad value
    # when it is uploaded
    answer = post(client, request_xml(content))

    # then a parser needs the first declaration taken off
    assert (answer.status_code, answer.content.count(b"<?xml ")) == (422, 2)
    with pytest.raises(ParseError):
        fromstring(answer.content)
    assert invalid(answer) == (field, code)
    assert list(state.folder.iterdir()) == []


def test_upload_needs_case_and_file(client: httpx.Client) -> None:
    """An unknown case is 422 ``missing``; a body without file is 422 ``missing_field``; neither part is 400."""
    # given uploads that lack something
    # when they are sent
    caseless = post(client, path="/platform_api/cases/CASE-9999/attachments")
    fileless = post_raw(client, BODY_PART)
    empty = post_raw(client, part('Content-Disposition: form-data; name="file"; filename="a"', b"x"))

    # then each is told what
    assert invalid(caseless) == ("id", "missing")
    assert invalid(fileless) == ("file", "missing_field")
    assert empty.status_code == 400


@pytest.mark.parametrize("encoding", ["base64", "BASE64", "binary", "8bit"])
def test_upload_decodes_transfer_encodings(client: httpx.Client, encoding: str) -> None:
    """A part may be raw or base64, as the documentation prefers; both are stored decoded."""
    # given a part in that encoding
    content = bytes(range(256)) * 40
    sent = base64.encodebytes(content).replace(b"\n", b"\r\n") if encoding.lower() == "base64" else content
    head = 'Content-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Transfer-Encoding: '

    # when it is uploaded
    root = fromstring(post_raw(client, part(head + encoding, sent), BODY_PART).content)

    # then the plain bytes are kept
    assert root.findtext(f"{A}size") == "10240"
    assert client.get(own(root, client, "downloadURL")).content == content


@pytest.mark.parametrize(
    ("filename", "stored"),
    [
        ("devis.pdf", "devis.pdf"),
        ("../../etc/devis.pdf", "devis.pdf"),
        (r"le \"grand\" devis.pdf", 'le "grand" devis.pdf'),
        ("le %22grand%22 devis.pdf", 'le "grand" devis.pdf'),
        ("reçu 100%.pdf", "reçu 100%.pdf"),
    ],
)
def test_upload_takes_the_filename_of_the_part(client: httpx.Client, filename: str, stored: str) -> None:
    """The name of the part is kept, without paths, whichever way its quotes were written."""
    # given a part with that name
    head = f'Content-Disposition: form-data; name="file"; filename="{filename}"'

    # when it is uploaded
    root = fromstring(post_raw(client, part(head, b"x"), BODY_PART).content)

    # then it is the stored one
    assert root.findtext(f"{A}filename") == stored


@pytest.mark.parametrize(
    "parts",
    [
        [part("Content-Disposition: form-data; name=“file”; filename=“a.pdf”", b"x"), BODY_PART],
        [part('Content-Disposition: form-data; name="file"', b"x"), BODY_PART],
        [part('Content-Disposition: form-data; name="file"; filename="a%0D%0Ab"', b"x"), BODY_PART],
        [part('Content-Disposition: attachment; name="file"; filename="a"', b"x"), BODY_PART],
        [part('Content-Disposition: form-data; name="x"\r\nContent-Transfer-Encoding: uu', b"x"), BODY_PART],
        [
            part(
                'Content-Disposition: form-data; name="file"; filename="a"\r\n'
                "Content-Transfer-Encoding: base64",
                b"\xff%%",
            ),
            BODY_PART,
        ],
        [part("X: " + "x" * 9000, b"x"), BODY_PART],
        [BODY_PART, BODY_PART],
        [BODY_PART.replace(b"--b\r\n", b"--b!\r\n")],
    ],
)
def test_malformed_parts_are_400(client: httpx.Client, state: State, parts: list[bytes]) -> None:
    """Curly quotes, missing names, foreign encodings and doubled parts are refused, and nothing is kept."""
    # given a body with such a part
    # when it is uploaded
    answer = post_raw(client, *parts)

    # then it is a bad request
    assert answer.status_code == 400
    assert list(state.folder.iterdir()) == []


def test_cut_off_or_foreign_bodies_are_400(client: httpx.Client) -> None:
    """A body without its closing delimiter, or that is no multipart at all, is refused."""
    # given a body that ends early, and one of another type
    # when they are sent
    cut = post_raw(client, BODY_PART, end=b"")
    foreign = client.post(CASE, content=DESCRIBED, headers={"Content-Type": "application/xml"})

    # then both are bad requests
    assert (cut.status_code, foreign.status_code) == (400, 400)


async def test_upload_that_is_abandoned_leaves_nothing(state: State) -> None:
    """A client that hangs up in the middle of a file makes no attachment and leaves no bytes."""
    # given a client that sends half a file and goes
    head = part('Content-Disposition: form-data; name="file"; filename="a"', b"x" * 5000)
    coming = [{"type": "http.request", "body": head, "more_body": True}, {"type": "http.disconnect"}]
    headers = [(b"authorization", f"Bearer {seed.TOKEN}".encode())]
    headers += [(b"host", b"sandbox"), (b"content-type", b"multipart/form-data; boundary=b")]
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": CASE,
        "query_string": b"",
        "headers": headers,
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    # when the server reads it
    await create_app(state)(scope, receive, send)

    # then nothing is kept
    assert sent[0]["status"] == 400
    assert list(state.folder.iterdir()) == []
    assert len(state.cases["CASE-1001"].attachments) == 10


def test_upload_above_the_limit_is_413(client: httpx.Client, state: State) -> None:
    """The limit itself passes, one byte more does not, and leaves nothing behind."""
    # given a server that takes 100,000 bytes
    state.max_size = 100_000

    # when that many and one more are sent
    fits, above = post(client, content=b"x" * 100_000), post(client, content=b"x" * 100_001)

    # then the second is refused
    assert (fits.status_code, above.status_code) == (201, 413)
    assert len(list(state.folder.iterdir())) == 1

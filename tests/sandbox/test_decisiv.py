"""What clients of the sandbox Decisiv Platform API see: its XML, its traps, its errors."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

import httpx
import pytest
from defusedxml.ElementTree import ParseError, fromstring

from gateway.sandbox.decisiv import seed
from gateway.sandbox.decisiv.app import create_app, create_download_app
from gateway.sandbox.decisiv.state import State
from gateway.sandbox.server import in_thread

CASE = "/platform_api/cases/CASE-1001/attachments"
TOKEN = "/platform_api/oauth2/token"
SPACES = "http://www.decisiv.net/platform_api/0.0.7/Case/"
A, S = f"{{{SPACES}AttachmentResponse}}", f"{{{SPACES}SenderResponse}}"
REQUIRED = {"URL", "subjectURL", "downloadURL", "description", "filename", "size", "internal"}
REQUIRED |= {"createdAt", "updatedAt", "public", "sender"}
CONSUMER = (seed.CONSUMER_KEY, seed.CONSUMER_SECRET)
CREDENTIALS = {"grant_type": "client_credentials"}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 9, 0, 30, 700_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Make a clock."""
    return Clock()


@pytest.fixture
def state(clock: Clock) -> State:
    """Make the demo's cases."""
    return seed.seeded(clock)


@pytest.fixture
def client(state: State) -> Iterator[httpx.Client]:
    """Serve the cases and make a client with the static token."""
    headers = {"Authorization": f"Bearer {seed.TOKEN}", "Accept": "application/xml"}
    with in_thread(create_app(state)) as origin, httpx.Client(base_url=origin, headers=headers) as made:
        yield made


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


def test_list_has_every_documented_element(client: httpx.Client) -> None:
    """The list is one document in the response namespaces, with format and public, without id."""
    # given the demo's first case
    # when its attachments are listed
    answer = client.get(CASE)
    root = fromstring(answer.content)

    # then ten items have what the samples have, the sender in a namespace of its own
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml; charset=utf-8")
    assert answer.content.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    assert (root.tag, len(root)) == (f"{A}attachments", 10)
    assert all(set(names(item)) == REQUIRED | {"format"} for item in root)
    assert all({child.tag for child in item if child.tag != f"{S}sender"} == {
        A + name for name in (REQUIRED | {"format"}) - {"sender"}
    } for item in root)  # fmt: skip
    assert all(set(names(item.find(f"{S}sender"))) == {"id", "name", "groupName", "URL"} for item in root)
    assert root[0].findtext(f"{A}createdAt") == "2026-03-04T18:13:51.0"
    assert {item.findtext(f"{A}internal") for item in root} == {"true", "false"}


def test_child_order_is_mixed_but_steady(client: httpx.Client) -> None:
    """``xs:all`` has no order, so children are shuffled, in the same way each time."""
    # given the list as it was answered once
    once = client.get(CASE)

    # when it is asked for again
    again = client.get(CASE)

    # then it is the same, and its items have several orders
    assert again.content == once.content
    assert len({tuple(names(item)) for item in fromstring(once.content)}) > 5


def test_single_get_has_no_format(client: httpx.Client) -> None:
    """The single document lacks ``format`` and ``id``; the last segment of ``URL`` is the id."""
    # given an item of the list
    item = fromstring(client.get(CASE).content)[0]

    # when its own address is asked
    root = fromstring(client.get(own(item, client, "URL")).content)

    # then all but the format is there and equal
    assert root.tag == f"{A}attachment"
    assert set(names(root)) == REQUIRED
    assert {child.tag: child.text for child in root}.items() <= {
        child.tag: child.text for child in item
    }.items()
    assert own(item, client, "subjectURL") == CASE.removesuffix("/attachments")


def test_ids_come_by_flag(client: httpx.Client, state: State) -> None:
    """The XSD requires ``id`` though the samples lack it: a flag adds it."""
    # given a server that follows the XSD
    state.with_ids = True

    # when a case is listed
    root = fromstring(client.get(CASE).content)

    # then ids are the last segments of the addresses
    assert [item.findtext(f"{A}id") for item in root] == [
        own(item, client, "URL").rpartition("/")[2] for item in root
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/platform_api/case/CASE-1001/attachments",
        "/platform_api/cases/CASE-1001/attachment/100001",
        "/platform_api/cases/CASE-1001/attachments/",
        "/platform_api/cases/CASE-9999/attachments",
        "/platform_api/cases/CASE-1001/attachments/999",
        "/platform_api/cases/CASE-1002/attachments/100001",
        "/platform_api/downloads/CASE-1002/100001",
    ],
)
def test_missing_is_404(client: httpx.Client, path: str) -> None:
    """Singular paths of the headings do not exist, nor does an attachment outside its case."""
    # given a path that leads nowhere
    # when it is asked
    answer = client.get(path)

    # then the status alone says so
    assert answer.status_code == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_attachments_cannot_be_changed(client: httpx.Client, method: str) -> None:
    """No update and no delete is documented."""
    # given an attachment
    # when a client tries to change it
    answer = client.request(method, f"{CASE}/100001")

    # then the method is refused
    assert answer.status_code == 405


@pytest.mark.parametrize("header", [None, "Bearer wrong", f"Basic {seed.TOKEN}", "Bearer"])
@pytest.mark.parametrize("path", [CASE, "/platform_api/downloads/CASE-1001/100001"])
def test_bearer_is_needed(client: httpx.Client, header: str | None, path: str) -> None:
    """Metadata and bytes need a token; the 401 has no body to read."""
    # given a client without a good token
    client.headers.pop("Authorization")
    headers = {} if header is None else {"Authorization": header}

    # when it asks
    answer = client.get(path, headers=headers)

    # then it is turned away
    assert (answer.status_code, answer.content) == (401, b"")


def test_token_is_issued_and_expires(client: httpx.Client, state: State, clock: Clock) -> None:
    """Consumer key and secret buy a token in namespaced XML that works for a while."""
    # given a token of the token endpoint
    answer = client.post(TOKEN, auth=CONSUMER, data=CREDENTIALS)
    root = fromstring(answer.content)
    space = f"{{{SPACES}AuthorizationResponse}}"
    headers = {"Authorization": f"Bearer {root.findtext(f'{space}token')}"}

    # when it is used before and after its end, which no answer told
    before = client.get(CASE, headers=headers)
    clock.now += timedelta(seconds=state.token_lifetime)
    after = client.get(CASE, headers=headers)

    # then it worked until then, and the static one still does
    assert root.tag == f"{space}AuthorizationResponse"
    assert {child.tag for child in root} == {f"{space}token", f"{space}type"}
    assert root.findtext(f"{space}type") == "Bearer"
    assert (before.status_code, after.status_code, client.get(CASE).status_code) == (200, 401, 200)


def test_tests_can_expire_tokens(client: httpx.Client, state: State) -> None:
    """A state without tokens answers 401 until a new one is fetched."""
    # given a server that forgot its tokens
    state.expire_tokens()

    # when the old one is used and a new one is fetched
    refused = client.get(CASE)
    token = state.issue_token()

    # then the new one alone works
    assert refused.status_code == 401
    assert client.get(CASE, headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize(
    ("credentials", "form", "status"),
    [
        ((seed.CONSUMER_KEY, "wrong"), CREDENTIALS, 401),
        (("é", "é"), CREDENTIALS, 401),
        (None, CREDENTIALS, 401),
        (CONSUMER, {"grant_type": "password"}, 400),
        (CONSUMER, {}, 400),
    ],
)
def test_token_is_refused(
    client: httpx.Client, credentials: tuple[str, str] | None, form: dict[str, str], status: int
) -> None:
    """Wrong consumers get 401, wrong grants 400."""
    # given bad credentials or a bad grant
    # when a token is asked for
    answer = client.post(TOKEN, auth=credentials, data=form)

    # then there is none
    assert answer.status_code == status


@pytest.mark.parametrize("attachment_id", ["100001", "100003", "100005", "100007"])
def test_download_has_the_announced_size(client: httpx.Client, attachment_id: str) -> None:
    """``downloadURL`` is on another path, needs the bearer and gives ``size`` bytes, the same each time."""
    # given an attachment
    root = fromstring(client.get(f"{CASE}/{attachment_id}").content)
    path = own(root, client, "downloadURL")

    # when its bytes are fetched twice
    once, again = client.get(path), client.get(path)

    # then they are as many as announced
    assert (path, once.status_code) == (f"/platform_api/downloads/CASE-1001/{attachment_id}", 200)
    assert len(once.content) == int(root.findtext(f"{A}size"))
    assert once.content == again.content


def test_download_can_move_to_another_origin(client: httpx.Client, state: State) -> None:
    """A foreign ``downloadURL`` is opened by its own token, and refuses the bearer."""
    # given downloads on another host
    with in_thread(create_download_app(state)) as foreign:
        state.download_origin = foreign
        root = fromstring(client.get(f"{CASE}/100001").content)
        address = root.findtext(f"{A}downloadURL")

        # when it is fetched plainly, with the bearer, and with a token of another file
        plain = httpx.get(address)
        leaked = httpx.get(address, headers={"Authorization": f"Bearer {seed.TOKEN}"})
        other = httpx.get(address.replace("100001", "100002"))

    # then only the first works
    assert address.startswith(f"{foreign}/platform_api/downloads/CASE-1001/100001?token=")
    assert [answer.status_code for answer in (plain, leaked, other)] == [200, 400, 403]
    assert len(plain.content) == int(root.findtext(f"{A}size"))


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


def test_upload_above_the_limit_is_413(client: httpx.Client, state: State) -> None:
    """The limit itself passes, one byte more does not, and leaves nothing behind."""
    # given a server that takes 100,000 bytes
    state.max_size = 100_000

    # when that many and one more are sent
    fits, above = post(client, content=b"x" * 100_000), post(client, content=b"x" * 100_001)

    # then the second is refused
    assert (fits.status_code, above.status_code) == (201, 413)
    assert len(list(state.folder.iterdir())) == 1


def test_rate_limit_has_no_retry_after(client: httpx.Client, state: State) -> None:
    """429 comes as often as ordered, namespaced, without Retry-After."""
    # given a server that is tired for two requests
    state.rate_limited = 2

    # when three are sent
    answers = [client.get(CASE) for _ in range(3)]

    # then two fail, without a hint when to come back
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert "retry-after" not in answers[0].headers
    assert fromstring(answers[0].content).tag == f"{{{SPACES}429ErrorResponse}}TooManyRequestsResponse"


def test_forbidden_case(client: httpx.Client, state: State) -> None:
    """A case of somebody else is 403, namespaced, for reading, writing and downloads."""
    # given a case that the user may not see
    state.forbidden_cases.add("CASE-1001")

    # when it is read, written and downloaded
    answers = [client.get(CASE), post(client), client.get("/platform_api/downloads/CASE-1001/100001")]

    # then each is refused
    assert [answer.status_code for answer in answers] == [403] * 3
    root = fromstring(answers[0].content)
    assert root.findtext(f"{{{SPACES}403ErrorResponse}}status") == "403 Forbidden"


def test_secrets_have_no_repr(state: State) -> None:
    """Printing a state shows no token and no secret."""
    # given the demo's state
    # when it is printed
    shown = repr(state)

    # then its secrets are not there
    assert seed.TOKEN not in shown
    assert seed.CONSUMER_SECRET not in shown


def test_seed_is_rich_and_steady(clock: Clock) -> None:
    """Each start gives the same cases: at least twenty, ten attachments each, ids unique among all."""
    # given two starts
    first, second = seed.seeded(clock), seed.seeded(clock)

    # when their cases are compared
    attachments = [one for case in first.cases.values() for one in case.attachments.values()]

    # then they are equal, and what they hold can be made
    assert first.cases == second.cases
    assert len(first.cases) >= 20
    assert {len(case.attachments) for case in first.cases.values()} == {10}
    assert len({one.id for one in attachments}) == len(attachments)
    assert {one.sender.id for one in attachments} == set(first.senders)
    assert all(len(one.content()) == one.size for one in attachments[:10] + attachments[-10:])

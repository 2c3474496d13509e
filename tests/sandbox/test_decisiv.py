"""What clients of the sandbox Decisiv Platform API read: its XML, its traps, its errors."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from defusedxml.ElementTree import fromstring

from gateway.sandbox.decisiv import seed
from gateway.sandbox.decisiv.app import create_download_app
from gateway.sandbox.decisiv.state import State
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream
from tests.sandbox.workshop import CASE, SPACES, A, Clock, S, client_of, names, own, post, workshops

TOKEN = "/platform_api/oauth2/token"
REQUIRED = {"URL", "subjectURL", "downloadURL", "description", "filename", "size", "internal"}
REQUIRED |= {"createdAt", "updatedAt", "public", "sender"}
CONSUMER = (seed.CONSUMER_KEY, seed.CONSUMER_SECRET)
CREDENTIALS = {"grant_type": "client_credentials"}


@pytest.fixture
def clock() -> Clock:
    """Make a clock."""
    return Clock()


@pytest.fixture
def state(clock: Clock) -> State:
    """Make the demo's cases."""
    return seed.seeded(clock)


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

"""What clients of the sandbox Direct Mail API read: its JSON, its pages, its errors."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.sandbox.directmail import seed
from gateway.sandbox.directmail.state import State
from gateway.sandbox.upstream import SandboxUpstream
from tests.sandbox.mailings import (
    PROJECT,
    PROJECTS,
    Clock,
    client_of,
    first_collection,
    link,
    mailings,
    uuids,
)

KEYS = {"uuid", "display_name", "file_name", "date_modified", "content_length", "links"}
UUID = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")


@pytest.fixture
def clock() -> Clock:
    """Make a clock."""
    return Clock()


@pytest.fixture
def state(clock: Clock) -> State:
    """Make the demo's projects."""
    return seed.seeded(clock)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[SandboxUpstream, str]]:
    """Start the server."""
    with mailings() as running:
        yield running


@pytest.fixture
def client(served: tuple[SandboxUpstream, str], state: State) -> Iterator[httpx.Client]:
    """Make a client of the demo's projects."""
    with client_of(served, state) as made:
        yield made


@pytest.fixture
def collection(state: State) -> str:
    """Choose a message's attachments."""
    return first_collection(state)


def test_walk_from_projects_to_attachments(client: httpx.Client) -> None:
    """Projects link to messages and these to attachments; lists are bare arrays that tell their total."""
    # given the projects of the key
    projects = client.get(PROJECTS)

    # when the links are followed
    messages = client.get(link(projects.json()[0], "messages"))
    attachments = client.get(link(messages.json()[0], "attachments"))

    # then each list has its count, and the message knows how many attachments it has
    for answer in (projects, messages, attachments):
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.headers["x-total-count"] == str(len(answer.json()))
        assert "link" not in answer.headers
    assert client.get(f"{PROJECTS}/").json() == projects.json()
    assert client.get(PROJECT).json() == projects.json()[0]
    assert client.get(link(messages.json()[0], "self")).json() == messages.json()[0]
    assert messages.json()[0]["number_of_attachments"] == len(attachments.json()) == 3
    assert messages.json()[0]["date_created"] == "2026-01-12T08:30:00+0000"


def test_attachment_has_the_documented_keys(client: httpx.Client, collection: str) -> None:
    """Six keys, upper-case UUIDs, a name without extension, an offset without colon, two links."""
    # given the attachments of a message
    listed = client.get(collection).json()

    # when each is asked for at its own address
    single = [client.get(link(one, "self")).json() for one in listed]

    # then list and single agree on all of it
    assert single == listed
    for one in single:
        assert set(one) == KEYS
        assert UUID.fullmatch(one["uuid"])
        assert UUID.fullmatch(one["file_name"].partition(".")[0])
        assert "." not in one["display_name"]
        assert one["date_modified"].endswith("+0000")
        assert {entry["rel"] for entry in one["links"]} == {"self", "content"}


def test_links_have_no_order(client: httpx.Client, state: State) -> None:
    """Clients that take links by index take the wrong one sometimes."""
    # given every attachment of a project
    messages = state.projects[seed.FESTIVAL].messages

    # when the relation of each first link is collected
    first = {
        one["links"][0]["rel"]
        for uuid in messages
        for one in client.get(f"{PROJECT}/messages/{uuid}/attachments").json()
    }

    # then both relations are among them
    assert first == {"self", "content"}


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ("uuid,links", {"uuid", "links"}),
        (" display_name , unknown", {"display_name"}),
        ("unknown", set()),
        ("", KEYS),
    ],
)
def test_fields_choose_keys(client: httpx.Client, collection: str, fields: str, keys: set[str]) -> None:
    """``fields`` keeps the named keys only, on items as on lists; even uuid and links go."""
    # given an attachment
    uuid = uuids(client, collection)[0]

    # when some keys are asked for
    single = client.get(f"{collection}/{uuid}", params={"fields": fields})
    listed = client.get(collection, params={"fields": fields})

    # then no others come
    assert set(single.json()) == keys
    assert all(set(one) == keys for one in listed.json())


def test_pages_are_linked(client: httpx.Client, state: State, collection: str) -> None:
    """Above the page size the next page is in ``Link``, with the fields, until all have come."""
    # given a server with pages of two
    everything = uuids(client, collection)
    state.page_size = 2

    # when the links are followed
    first = client.get(collection, params={"fields": "uuid"})
    second = client.get(first.links["next"]["url"])

    # then all came, each once
    assert first.headers["x-total-count"] == second.headers["x-total-count"] == "3"
    assert first.json() + second.json() == [{"uuid": uuid} for uuid in everything]
    assert "link" not in second.headers


def test_pages_may_be_hidden(client: httpx.Client, state: State, collection: str) -> None:
    """Without links the total alone tells that something is missing; a page that is no number is 400."""
    # given a server that does not announce its pages
    state.page_size, state.page_links = 2, False

    # when a longer list is asked for, and a bad page
    answer, bad = client.get(collection), client.get(collection, params={"page": "x"})

    # then the total is more than what came
    assert (len(answer.json()), answer.headers["x-total-count"]) == (2, "3")
    assert "link" not in answer.headers
    assert bad.status_code == 400


def test_there_is_no_upload(client: httpx.Client, collection: str) -> None:
    """The collection answers GET only."""
    # given a file
    # when it is posted
    answer = client.post(collection, files={"file": b"x"})

    # then the method is not allowed
    assert (answer.status_code, answer.json()["code"]) == (405, 405)
    assert "POST" not in answer.headers["allow"]


@pytest.mark.parametrize(
    "auth", [None, (seed.KEY_ID, "wrong"), ("wrong", seed.KEY_SECRET), ("é", "é"), ("", "")]
)
def test_key_is_needed(client: httpx.Client, collection: str, auth: tuple[str, str] | None) -> None:
    """A wrong key, a wrong secret or none at all is 401."""
    # given bad credentials
    # when a list is asked for with them
    answer = httpx.get(client.base_url.join(collection), auth=auth)

    # then they are refused
    assert (answer.status_code, answer.json()["code"]) == (401, 401)


@pytest.mark.parametrize("header", ["Bearer token", "Basic !!!", "Basic QzFENDREMjEtNTA4MC00NTM3LUFFOD"])
def test_other_authentication_is_401(client: httpx.Client, header: str) -> None:
    """Another method, or the truncated header of the vendor's own sample, is 401."""
    # given such a header
    # when projects are asked for with it
    answer = httpx.get(client.base_url.join(PROJECTS), headers={"Authorization": header})

    # then it is refused
    assert answer.status_code == 401


def test_ungranted_project_is_missing(client: httpx.Client, state: State, collection: str) -> None:
    """A project that was not granted cannot be told from one that is not there."""
    # given a project that is taken from the key
    state.projects[seed.FESTIVAL].granted = False

    # when it, its contents and a made-up one are asked for
    answers = [client.get(path) for path in (PROJECT, collection, f"{PROJECTS}/{'0' * 32}")]
    deleted = client.delete(f"{collection}/X")

    # then all answers are one and the same
    assert [answer.status_code for answer in [*answers, deleted]] == [404] * 4
    assert len({answer.content for answer in [*answers, deleted]}) == 1
    assert seed.FESTIVAL not in client.get(PROJECTS).text


def test_uuids_keep_their_case(client: httpx.Client, collection: str) -> None:
    """A UUID in lower case, or of another message, is not found."""
    # given an attachment
    uuid = uuids(client, collection)[0]

    # when it is asked for in lower case, and elsewhere
    lower = client.get(f"{collection}/{uuid.lower()}")
    elsewhere = client.get(f"{PROJECT}/messages/{uuid}/attachments/{uuid}")

    # then it is not there
    assert (lower.status_code, elsewhere.status_code) == (404, 404)


@pytest.mark.parametrize(
    ("flags", "status"),
    [({"maintenance": True}, 503), ({"disabled": True}, 403), ({"rate_limited": 1}, 429)],
)
@pytest.mark.parametrize("terse", [False, True])
def test_moods(client: httpx.Client, state: State, flags: dict[str, Any], status: int, terse: bool) -> None:
    """Maintenance, a disabled account and the rate limit strike every request, with a body or without."""
    # given a server in that mood
    for name, value in {**flags, "terse": terse}.items():
        setattr(state, name, value)

    # when a list is asked for
    answer = client.get(PROJECTS)

    # then it is refused, and without a hint when to come back
    assert answer.status_code == status
    assert "retry-after" not in answer.headers
    assert answer.content == b"" if terse else answer.json()["code"] == status


def test_rate_limit_ends(client: httpx.Client, state: State, collection: str) -> None:
    """429 comes as often as ordered, with Retry-After if ordered, and never from the bucket."""
    # given a content link, and a server that is tired for two requests
    address = link(client.get(collection).json()[0], "content")
    state.rate_limited, state.retry_after = 2, 7

    # when requests are sent
    content = httpx.get(address)
    answers = [client.get(collection) for _ in range(3)]

    # then only two of the API's fail
    assert content.status_code == 200
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "7"


def test_secrets_have_no_repr(state: State) -> None:
    """Printing a state shows no key and no signing secret."""
    # given the demo's state
    # when it is printed
    shown = repr(state)

    # then its secrets are not there
    assert seed.KEY_SECRET not in shown
    assert repr(state.signing.secret) not in shown


def test_seed_is_rich_and_steady(clock: Clock) -> None:
    """Each start gives the same twenty messages with three to eight attachments; their bytes can be made."""
    # given two starts
    first, second = seed.seeded(clock), seed.seeded(clock)

    # when their messages are compared
    messages = [message for project in first.projects.values() for message in project.messages.values()]
    attachments = [one for message in messages for one in message.attachments.values()]

    # then they are equal and complete
    assert first.projects == second.projects
    assert all(re.fullmatch("[0-9a-f]{32}", document) for document in first.projects)
    assert len(messages) == 20
    assert {len(message.attachments) for message in messages} == set(range(3, 9))
    assert len({one.uuid for one in attachments}) == len(attachments)
    assert all(len(one.content()) == one.content_length for one in messages[5].attachments.values())

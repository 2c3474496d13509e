"""How the sandbox Direct Mail API hands out contents by signed links, and deletes by merge tasks."""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from defusedxml.ElementTree import fromstring

from gateway.sandbox.directmail import seed
from gateway.sandbox.directmail.app import create_content_app
from gateway.sandbox.directmail.state import State
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream
from tests.sandbox.mailings import (
    KEY,
    PROJECT,
    PROJECTS,
    Clock,
    client_of,
    first_collection,
    link,
    mailings,
    uuids,
)


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


def test_content_link_opens_without_key(client: httpx.Client, collection: str) -> None:
    """A content link gives the announced bytes, without a type, as long as it is signed for, and to GET only."""
    # given the content links of a message
    listed = client.get(collection).json()

    # when they are fetched with no credentials
    answers = [httpx.get(link(one, "content")) for one in listed]
    head = httpx.head(link(listed[0], "content"))

    # then the bytes come
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [len(answer.content) for answer in answers] == [one["content_length"] for one in listed]
    assert answers[0].headers["content-type"] == "binary/octet-stream"
    assert answers[0].headers["etag"]
    assert head.status_code == 403


def test_content_link_refuses_authorization(client: httpx.Client, collection: str) -> None:
    """S3 takes one way of authentication: a client that leaks its key to the bucket gets 400."""
    # given a content link
    address = link(client.get(collection).json()[0], "content")

    # when it is fetched with the API's credentials
    answer = client.get(address)

    # then S3 says no in XML
    assert answer.status_code == 400
    assert fromstring(answer.content).findtext("Code") == "InvalidArgument"


def test_content_link_expires(client: httpx.Client, state: State, clock: Clock, collection: str) -> None:
    """After ``Expires`` the link is 403; fresh metadata has a fresh one."""
    # given a link from before
    attachment = client.get(collection).json()[0]
    old = link(attachment, "content")
    expires = parse_qs(urlsplit(old).query)["Expires"]

    # when more than its lifetime passes
    clock.now += timedelta(seconds=state.link_lifetime + 1)
    refused = httpx.get(old)
    fresh = link(client.get(link(attachment, "self")).json(), "content")

    # then only the fresh one works
    assert expires == [str(int(clock.now.timestamp()) - 1)]
    assert (refused.status_code, fromstring(refused.content).findtext("Code")) == (403, "AccessDenied")
    assert httpx.get(fresh).status_code == 200


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (r"Expires=\d+", "Expires=1999999999", "SignatureDoesNotMatch"),
        (r"Expires=\d+", "Expires=soon", "AccessDenied"),
        (r"Expires=\d+&", "", "AccessDenied"),
        (r"Signature=..", "Signature=AA", "SignatureDoesNotMatch"),
        (r"&Signature=.*", "", "AccessDenied"),
        (r"AWSAccessKeyId=\w+", "AWSAccessKeyId=AKIAOTHER", "InvalidAccessKeyId"),
        (r"[0-9a-f]{32}\?", f"{'0' * 32}?", "SignatureDoesNotMatch"),
        (r"\?.*", "", "AccessDenied"),
    ],
)
def test_tampered_content_link_is_403(
    client: httpx.Client, collection: str, old: str, new: str, code: str
) -> None:
    """Whatever is changed in a link breaks it."""
    # given a content link with something changed
    address = link(client.get(collection).json()[0], "content")
    changed = re.sub(old, new, address)

    # when it is fetched
    answer = httpx.get(changed)

    # then the bucket refuses, with S3's code
    assert changed != address
    assert (answer.status_code, fromstring(answer.content).findtext("Code")) == (403, code)


def test_content_can_be_on_another_origin(client: httpx.Client, state: State, collection: str) -> None:
    """The bucket runs on a port of its own, which knows nothing of the API."""
    # given a bucket elsewhere
    with in_thread(create_content_app(state)) as bucket:
        state.content_origin = bucket
        attachment = client.get(collection).json()[1]

        # when the link is fetched, and the API is looked for there
        answer = httpx.get(link(attachment, "content"))
        api = httpx.get(f"{bucket}{PROJECTS}", auth=KEY)

    # then the bytes come from there, and nothing else does
    assert link(attachment, "content").startswith(f"{bucket}/e3cloud/1/{seed.FESTIVAL}/")
    assert (answer.status_code, len(answer.content)) == (200, attachment["content_length"])
    assert api.status_code == 404


def test_delete_is_merged_later(client: httpx.Client, collection: str) -> None:
    """202 is no deletion: the item stays listed until its merge task is done, then it and its bytes are gone."""
    # given an attachment whose deletion was accepted
    attachment = client.get(collection).json()[0]
    accepted = client.delete(link(attachment, "self"))
    task = link(accepted.json(), "merge-task")

    # when the task is polled until it is done
    polls, listed = [], []
    while 200 not in polls:
        listed.append(attachment["uuid"] in uuids(client, collection))
        polls.append(client.get(task).status_code)

    # then it was there all the time, and is not any more
    assert (accepted.status_code, set(accepted.json())) == (202, {"links"})
    assert (polls, listed) == ([202, 202, 200], [True, True, True])
    assert attachment["uuid"] not in uuids(client, collection)
    assert client.get(link(attachment, "self")).status_code == 404
    assert client.delete(link(attachment, "self")).status_code == 404
    assert httpx.get(link(attachment, "content")).status_code == 404
    assert client.get(task).status_code == 200


def test_merge_link_carries_its_target(client: httpx.Client, collection: str) -> None:
    """The task's query has shard, method and the whole target, percent-encoded; rewritten it finds nothing."""
    # given the task of a deletion
    target = link(client.get(collection).json()[0], "self")
    task = link(client.delete(target).json(), "merge-task")

    # when it is read, rewritten, and asked for without the key
    query = parse_qs(urlsplit(task).query)
    rewritten = client.get(task.replace("%3A", ":").replace("%2F", "/"))
    anonymous = httpx.get(task)

    # then only the link as it was given is good
    assert urlsplit(task).path == f"{PROJECT}/merge-task"
    assert (query["m"], query["r"]) == (["DELETE"], [target])
    assert query["s"][0].isdecimal()
    assert "%3A%2F%2F" in task
    assert (rewritten.status_code, anonymous.status_code) == (404, 401)
    assert client.get(task).status_code == 202


def test_second_delete_joins_the_task(client: httpx.Client, collection: str) -> None:
    """While the first is pending a second DELETE is accepted with the same task."""
    # given a pending deletion
    address = link(client.get(collection).json()[0], "self")
    first = client.delete(address)

    # when it is ordered again
    second = client.delete(address)

    # then nothing new begins
    assert (second.status_code, second.json()) == (202, first.json())


def test_merge_may_fail(client: httpx.Client, state: State, collection: str) -> None:
    """A task can end in an error, and then the attachment stays."""
    # given a merge that will fail
    state.merge_polls, state.merge_failure = 0, 409
    attachment = client.get(collection).json()[0]
    task = link(client.delete(link(attachment, "self")).json(), "merge-task")

    # when it is polled
    answer = client.get(task)

    # then it says so
    assert answer.status_code == 409
    assert attachment["uuid"] in uuids(client, collection)


def test_sent_messages_are_not_editable(client: httpx.Client, state: State) -> None:
    """DELETE in a message that was sent is 403."""
    # given an attachment of a sent message
    sent = next(one for one in state.projects[seed.FESTIVAL].messages.values() if not one.editable)
    address = f"{PROJECT}/messages/{sent.uuid}/attachments/{next(iter(sent.attachments))}"

    # when it is deleted
    answer = client.delete(address)

    # then it stays
    assert (answer.status_code, answer.json()["error_message"]) == (403, "The message is not editable")
    assert client.get(address).status_code == 200

"""Remembered answers: nobody gets another's, and nobody gets one from before a write."""

from collections.abc import Iterator

import pytest

from gateway.domain.edge import AnswerSettings
from gateway.web.answers import MARK, Answers
from gateway.web.outcome import Outcome
from resolvers.execution.executor import Executor
from resolvers.schema import make_schema
from tests.world import World, running_world

MAIL = '{ record(by: {mail: {source: "maarch", resId: 100}}) { attachments { edges { node { id name } } } } }'
LINKS = MAIL.replace("id name", "download { url }")
RENAME = """mutation Rename($input: FilesUpdateInput!) { filesUpdate(input: $input) { userErrors { code } } }"""


def whole(text: str = "fine") -> Outcome:
    """Make an answer without errors."""
    return Outcome({"text": text}, [], executed=True, extensions={})


class Clock:
    """A clock that the test turns."""

    now = 0.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Make a clock."""
    return Clock()


@pytest.fixture
def answers(clock: Clock) -> Answers:
    """Make a memory of five seconds and of a few answers."""
    return Answers(AnswerSettings(seconds=5, bytes=4 * MARK), clock)


def test_an_answer_is_remembered_for_its_seconds(answers: Answers, clock: Clock) -> None:
    """It is there until the seconds are over, for the same key of the same tenant alone."""
    # given
    outcome = whole()
    answers.keep("one", "key", outcome, answers.writes("one"))

    # when
    clock.now = 4.9
    found = [answers.find(*place) for place in (("one", "key"), ("two", "key"), ("one", "other"))]
    clock.now = 5.1

    # then
    assert found == [outcome, None, None]
    assert answers.find("one", "key") is None


def test_a_write_drops_what_is_remembered_of_its_tenant(answers: Answers) -> None:
    """Of other tenants nothing is dropped."""
    # given
    for tenant in ("one", "two"):
        answers.keep(tenant, "key", whole(), answers.writes(tenant))

    # when
    answers.forget("one")

    # then
    assert answers.find("one", "key") is None
    assert answers.find("two", "key") is not None


def test_an_answer_that_was_begun_before_a_write_is_not_kept(answers: Answers) -> None:
    """A slow query that saw the old state does not bring it back."""
    # given
    begun = answers.writes("one")

    # when
    answers.forget("one")
    answers.keep("one", "key", whole(), begun)

    # then
    assert answers.find("one", "key") is None


def test_the_memory_is_bounded(answers: Answers) -> None:
    """What does not fit goes, the oldest first; what is larger than all of it is never kept."""
    # given
    outcomes = [whole("x" * 100) for _ in range(10)]

    # when
    for number, outcome in enumerate(outcomes):
        answers.keep("one", number, outcome, 0)
    answers.keep("one", "large", whole("x" * 4 * MARK), 0)

    # then
    kept = [number for number in range(10) if answers.find("one", number)]
    assert 0 < len(kept) < 10
    assert kept[-1] == 9
    assert answers.find("one", "large") is None


@pytest.fixture(scope="module")
def remembering() -> Iterator[World]:
    """Start a gateway that remembers answers for a minute."""
    with running_world(answers=AnswerSettings(seconds=60)) as running:
        yield running


def ask(world: World, query: str, variables: object = None, **headers: str) -> object:
    """Ask without a trace, which is never remembered."""
    body = {"query": query, "variables": variables}
    return world.client.post(f"{world.gateway}/graphql", json=body, headers=headers).json()


def test_the_second_answer_asks_no_source(remembering: World) -> None:
    """The same query within the time costs no upstream request."""
    # given
    remembering.reset()
    first = ask(remembering, MAIL)
    requests = remembering.requests()

    # when
    second = ask(remembering, MAIL)

    # then
    assert (requests, remembering.requests()) == (1, 1)
    assert second == first


def test_links_are_not_remembered(remembering: World) -> None:
    """A link that ends is made anew for everybody who asks."""
    # given
    remembering.reset()

    # when
    first, second = ask(remembering, LINKS), ask(remembering, LINKS)

    # then
    assert remembering.requests() == 2
    assert first != second


def test_an_answer_of_before_a_write_is_not_given_after_it(remembering: World) -> None:
    """Who renames a file sees the new name at once."""
    # given
    before = ask(remembering, MAIL)
    node = before["data"]["record"]["attachments"]["edges"][0]["node"]  # type: ignore[index]

    # when
    item = {"id": node["id"], "name": "Renamed.pdf"}
    written = ask(remembering, RENAME, {"input": {"idempotencyKey": "rename", "files": [item]}})
    after = ask(remembering, MAIL)

    # then
    assert written["data"]["filesUpdate"]["userErrors"] == []  # type: ignore[index]
    names = [edge["node"]["name"] for edge in after["data"]["record"]["attachments"]["edges"]]  # type: ignore[index]
    assert "Renamed.pdf" in names


def test_a_write_by_an_event_stream_drops_what_is_remembered_too(remembering: World) -> None:
    """Whichever way a write comes in, nobody is told afterwards what was there before."""
    # given
    before = ask(remembering, MAIL)
    node = before["data"]["record"]["attachments"]["edges"][1]["node"]  # type: ignore[index]
    variables = {"input": {"idempotencyKey": "streamed", "files": [{"id": node["id"], "name": "Streamed"}]}}

    # when
    streamed = remembering.client.post(
        f"{remembering.gateway}/graphql",
        json={"query": RENAME, "variables": variables},
        headers={"accept": "text/event-stream"},
    )
    after = ask(remembering, MAIL)

    # then
    assert '"userErrors":[]' in streamed.text.replace(" ", "")
    names = [edge["node"]["name"] for edge in after["data"]["record"]["attachments"]["edges"]]  # type: ignore[index]
    assert "Streamed" in names


@pytest.mark.parametrize(
    "text",
    [
        "query($id: ID!) { node(id: $id) { ... on StagedUpload { state } } }",
        "query($id: ID!) { nodes(ids: [$id]) { ...U } } fragment U on StagedUpload { targets { url } }",
        "query($id: ID!) { stagedUpload(id: $id) { state } }",
    ],
)
def test_the_state_of_an_upload_is_not_remembered(text: str) -> None:
    """Whichever field leads to it, an upload goes on while an answer stays."""
    # when
    document = Executor(make_schema()).document(text)

    # then
    assert document.errors == []
    assert document.volatile

"""XML that a source sends: nothing in it makes the gateway read a file, open a socket or fill its memory (XXE)."""

import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.errors import BadResponse, GatewayError
from gateway.domain.refs import Ref, RefType
from gateway.transport.payloads import DEEPEST_XML, MOST_TAGS, decode_xml
from gateway.upstreams.wire.decisiv import unprocessable
from tests.security.canary import canary, corpus
from tests.upstreams.bench import asked, served
from tests.upstreams.decisiv_source import Bench

DOCUMENTS = corpus("documents")
SECRET = "what-only-this-machine-knows"


class Watch:
    """Notes what Python opens while it is on; an audit hook cannot be taken off again."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in ("open", "socket.connect", "socket.getaddrinfo"):
            self.seen.append(f"{event} {arguments[0]}")


@pytest.fixture(scope="module")
def watch() -> Watch:
    """Watch what is opened."""
    return Watch()


@pytest.mark.parametrize("document", DOCUMENTS, ids=[one["name"] for one in DOCUMENTS])
def test_classic_attacks_are_refused(document: dict[str, str], watch: Watch, tmp_path: Path) -> None:
    """Each is a typed error that tells nothing of the machine, without a file read and without a socket."""
    # given
    file = tmp_path / "secret"
    file.write_text(SECRET)
    with canary() as found:
        body = document["body"].replace("{file}", str(file)).replace("{port}", str(found.port)).encode()

        # when
        watch.seen.clear()
        watch.on = True
        try:
            with pytest.raises(BadResponse) as refused:
                decode_xml(body, "source")
            unprocessed = unprocessable(body, "source")
        finally:
            watch.on = False

    # then
    assert SECRET not in str(refused.value) + str(unprocessed)
    assert watch.seen == []
    assert found.visits == []


def test_the_watch_would_see_a_file(watch: Watch, tmp_path: Path) -> None:
    """The check above can fail."""
    # given
    file = tmp_path / "secret"
    file.write_text(SECRET)

    # when
    watch.on = True
    file.read_text()
    watch.on = False

    # then
    assert watch.seen == [f"open {file}"]


async def test_a_case_that_answers_so_is_an_error_of_the_source(tmp_path: Path) -> None:
    """Whatever the platform sends, the adapter gives a typed error as a value."""
    # given
    with served() as place:
        bench = Bench(place)
        outcomes = []

        # when
        for document in DOCUMENTS:
            bench.answer(document["body"].replace("{file}", str(tmp_path)).replace("{port}", "9"))
            outcomes.append(await asked(bench.settings(), Ref("service", RefType.RECORD, ("CASE-1001",))))

    # then
    assert len(outcomes) == 8
    assert all(isinstance(one, GatewayError) and one.code == "BAD_RESPONSE" for one in outcomes)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<a>" * (DEEPEST_XML + 1) + b"</a>" * (DEEPEST_XML + 1), "levels"),
        (b"<r>" + b"<a/>" * MOST_TAGS + b"</r>", "tags"),
    ],
)
def test_what_grows_in_memory_is_bounded(body: bytes, words: str) -> None:
    """Depth and number of elements have limits of their own, because each element costs many times its bytes."""
    # when
    with pytest.raises(BadResponse) as refused:
        decode_xml(body, "source")

    # then
    assert words in refused.value.message


def test_what_real_lists_have_is_read() -> None:
    """The limits are far from what a list of thousands needs."""
    # given
    item = b"<attachment>" + b"".join(b"<f%d>x</f%d>" % (n, n) for n in range(16)) + b"</attachment>"
    body = b"<attachments>" + item * 5000 + b"</attachments>"
    deep = b"<a>" * DEEPEST_XML + b"</a>" * DEEPEST_XML

    # when
    root = decode_xml(body, "source")

    # then
    assert len(root) == 5000
    assert decode_xml(deep, "source").tag == "a"

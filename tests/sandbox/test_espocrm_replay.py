"""Every exchange that was recorded from a running EspoCRM 9.2.7, against the sandbox."""

import base64
import json
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime

import httpx
import pytest

from gateway.sandbox.espocrm import seed
from gateway.sandbox.espocrm.app import create_app
from gateway.sandbox.espocrm.seed import ADMIN, ADMIN_PASSWORD, API_KEY, NO_ROLE_KEY, READONLY_KEY, Clock
from gateway.sandbox.server import in_thread
from tests.sandbox.exchanges import load
from tests.sandbox.replay import (
    RECORDINGS,
    Comparison,
    Memory,
    check,
    check_exceptions,
    names,
    replay,
)

KIND = "espocrm"
FOLDER = RECORDINGS / KIND
READONLY_USER = "6b02786871306d31b"
READONLY_ROLE = "6b02786776079d9ca"

CREDENTIALS = {
    "key-of-the-full-user": API_KEY,
    "key-of-the-readonly-user": READONLY_KEY,
    "key-of-the-user-without-role": NO_ROLE_KEY,
    "admin:right password": f"{ADMIN}:{ADMIN_PASSWORD}",
}

BYTES = bytes(range(256))
PDF = b"%PDF-1.4\n" + BYTES * 40

WRONG_KEYS = ("4", "7", "a", "b")
"""Ends of the wrong keys of the exchanges 315, 318, 321 and 322, which were not kept."""


def data_uri(media: bytes, content: bytes) -> bytes:
    """Write a chunk as the web client sends it."""
    return b"data:" + media + b";base64," + base64.b64encode(content)


def upload(size: int) -> bytes:
    """Write an upload of so many bytes; the recorder's were random, which nobody looks at."""
    file = "data:application/pdf;base64," + base64.b64encode(bytes(size)).decode()
    fields = {"name": "big.pdf", "type": "application/pdf", "role": "Attachment"}
    return json.dumps({**fields, "relatedType": "Document", "field": "file", "file": file}).encode()


BODIES = {
    "216-chunk-1.json": data_uri(b"application/pdf", BYTES * 16),
    "219-chunk-2-as-json-type.json": data_uri(b"application/octet-stream", BYTES * 16),
    "256-clean-chunk-1.json": data_uri(b"application/octet-stream", PDF[:4096]),
    "257-clean-chunk-2.json": data_uri(b"application/octet-stream", PDF[4096:8192]),
    "267-2-mb-file-with-limit-1-mb-no-size-sent.json": upload(2 << 20),
    "273-1-mb-file.json": upload(1 << 20),
    "275-10-mb-file.json": upload(10 << 20),
    "277-30-mb-file.json": upload(30 << 20),
    "279-46-mb-file.json": upload(46 << 20),
}
"""Bodies of which the recording has only the size."""


def steps(clock: Clock, origin: str) -> dict[str, Callable[[Memory], object]]:
    """Say what happens before each exchange: the clock goes on, and once four lost requests are made up for."""

    def send_wrong_keys(_: Memory) -> None:
        for end in WRONG_KEYS:
            headers = {"X-Api-Key": end.rjust(32, "0")}
            httpx.get(f"{origin}/api/v1/Document?maxSize=1", headers=headers, trust_env=False)

    def at(recorded: str) -> Callable[[Memory], None]:
        def move(_: Memory) -> None:
            clock.time = parsedate_to_datetime(recorded)

        return move

    told = {each.name: each.answer_headers.get("last-modified") for each in load(FOLDER)}
    moves = {name: at(recorded) for name, recorded in told.items() if recorded}
    return {**moves, "324-bad-password-repeated-1.json": send_wrong_keys}


@pytest.fixture(scope="module")
def compared() -> Iterator[dict[str, Comparison]]:
    """Replay all exchanges in their order against one sandbox."""
    clock = Clock()
    state = seed.empty(clock)
    users = {login.key: login for login in state.logins}
    role = users[READONLY_KEY].role
    assert role is not None
    known = {READONLY_USER: users[READONLY_KEY].user_id, READONLY_ROLE: role.id}
    with in_thread(create_app(state)) as origin:
        yield replay(
            FOLDER,
            origin,
            credentials=CREDENTIALS,
            known_ids=known,
            before=steps(clock, origin),
            bodies=BODIES,
        )


@pytest.mark.parametrize("name", names(KIND))
def test_answers_as_recorded(name: str, compared: dict[str, Comparison]) -> None:
    """Protects the sandbox from drifting away from what the real server answered."""
    # given a sandbox that got every request that came before

    # when the recorded request was sent
    assert name in compared

    # then status, error text and the shape of the answer are those of the recording
    check(KIND, name, compared)


def test_bodies_are_those_of_the_recording() -> None:
    """Protects the replay from sending bodies of another size than the recorder did."""
    # given
    recorded = {each.name: each.body for each in load(FOLDER)}

    # when
    sizes = {name: (len(body), recorded[name].size) for name, body in BODIES.items()}
    heads = [name for name, body in BODIES.items() if not body.startswith(recorded[name].head[:60])]

    # then
    assert [name for name, (given, expected) in sizes.items() if given != expected] == []
    assert heads == []


def test_exceptions_exist() -> None:
    """Protects the list of exceptions from naming recordings that aren't there, or giving no reason."""
    # given the shared list of exceptions

    # when / then
    check_exceptions(KIND)

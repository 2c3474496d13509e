"""Tests of how the gateway stops, whenever it is asked to."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette

from gateway import signals
from gateway.serving import listen, make_server, serve

PATIENCE = 20.0


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let signals be asked for within one test alone."""
    event = threading.Event()
    monkeypatch.setattr(signals, "_asked", event)
    return event


@pytest.fixture
def handlers() -> Iterator[None]:
    """Give the signals back to whom they belong."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_a_signal_before_the_server_listens_stops_it(asked: threading.Event) -> None:
    """It is noted, raises into nothing that runs, and the server stops as soon as it has started."""
    # given
    signals.note_signals()
    signal.raise_signal(signal.SIGTERM)
    server = make_server(Starlette())

    # when
    running = threading.Thread(target=serve, args=(server, listen("127.0.0.1", 0)), daemon=True)
    running.start()
    running.join(PATIENCE)

    # then
    assert asked.is_set()
    assert server.started
    assert not running.is_alive()


AT_THE_WORST_MOMENT = """
import logging, os, signal, threading
from gateway.signals import end_on_signals

end_on_signals()
logging._acquireLock() if hasattr(logging, "_acquireLock") else logging._lock.acquire()
waits = threading.Thread(target=logging.getLogger("other").isEnabledFor, args=[10])
waits.start()
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_ends_what_holds_a_lock() -> None:
    """Who comes between a lock and its release must not wait for the thread that waits for the lock."""
    # when
    outcome = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", AT_THE_WORST_MOMENT], check=False, timeout=PATIENCE
    )

    # then
    assert outcome.returncode == 0


def test_a_server_that_nobody_stops_goes_on(asked: threading.Event) -> None:
    """What makes it stop is the signal, and nothing that is always so."""
    # given
    server = make_server(Starlette())
    running = threading.Thread(target=serve, args=(server, listen("127.0.0.1", 0)), daemon=True)

    # when
    running.start()
    running.join(1.0)
    alive = running.is_alive()
    server.should_exit = True
    running.join(PATIENCE)

    # then
    assert alive
    assert not asked.is_set()
    assert not running.is_alive()

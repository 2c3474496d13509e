"""Tests of how the gateway stops, whenever it is asked to."""

import threading

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


def test_a_signal_before_the_server_listens_stops_it(asked: threading.Event) -> None:
    """An event loop that starts may swallow the exit; then the server stops as soon as it has started."""
    # given
    with pytest.raises(SystemExit) as exit_:
        signals._exit(15, None)
    server = make_server(Starlette())

    # when
    running = threading.Thread(target=serve, args=(server, listen("127.0.0.1", 0)), daemon=True)
    running.start()
    running.join(PATIENCE)

    # then
    assert exit_.value.code == 0
    assert asked.is_set()
    assert server.started
    assert not running.is_alive()


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

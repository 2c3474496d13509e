"""Runs the sandbox as a process of its own: ``python -m gateway.sandbox``.

Prints one line of JSON, the origin of each server, when all of them answer. It ends when its standard input does, so
that the process that started it never leaves it behind, however that one dies; in a terminal that is Ctrl-D.
"""

import json
import os
import sys
import threading

import uvicorn

from gateway.sandbox.server import listen, server
from gateway.sandbox.store import StoreFailedError
from gateway.sandbox.stores import chosen
from gateway.sandbox.world import SERVERS, STORE, ByPort, make_apps
from gateway.serving import serve
from gateway.signals import note_signals


def main() -> int:
    """Run the store and the upstream servers; 1 where there is no store to run."""
    note_signals()
    try:
        _run()
    except StoreFailedError as exc:
        sys.stderr.write(f"attachment-gateway: {exc}\n")
        return 1
    return 0


def _run() -> None:
    listeners = {name: listen() for name in SERVERS}
    ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
    origins = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    with chosen(os.environ) as store:
        apps = make_apps(origins, store)
        running = server(ByPort({ports[name]: app for name, app in apps.items()}), timeout_graceful_shutdown=1)
        threading.Thread(target=_stop_at_end_of_input, args=(running,), daemon=True).start()
        sys.stdout.write(json.dumps({**origins, STORE: store.url}) + "\n")
        sys.stdout.flush()
        serve(running, *listeners.values())


def _stop_at_end_of_input(running: uvicorn.Server) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    running.should_exit = True


if __name__ == "__main__":
    sys.exit(main())
